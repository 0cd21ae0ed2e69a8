import { mkdtempSync } from 'node:fs'
import { chmod, mkdtemp, rm } from 'node:fs/promises'
import path from 'node:path'
import { stopPrivatePostgres } from '../../src/core/database/private-postgres/index.ts'
import { testRun } from './test-run.ts'

export interface TemporaryFolder {
  readonly path: string
  /** Ends a private Postgres that a command started in it, then deletes it. */
  remove(): Promise<void>
}

/**
 * A new folder of this run; the end of the run removes what a failed test left. As root others may
 * pass through it, since Postgres then runs under another account.
 */
export async function createTemporaryFolder(name = 'folder'): Promise<TemporaryFolder> {
  const folder = await mkdtemp(path.join(testRun().folder, `${name}-`))
  if (process.getuid?.() === 0) await chmod(folder, 0o711)
  return {
    path: folder,
    async remove() {
      await stopPrivatePostgres({ dataDir: folder })
      await stopPrivatePostgres({ dataDir: path.join(folder, 'analysis-data') })
      // A server that has just ended may still remove its own files.
      await rm(folder, { recursive: true, force: true, maxRetries: 5 })
    },
  }
}

let shared: string | undefined

/** One folder per process of tests, for commands that need some data folder and nobody looks into it. */
export function sharedDataFolder(): string {
  shared ??= mkdtempSync(path.join(testRun().folder, 'data-'))
  return shared
}

/** For processes that run sources: those of one run compile them once. */
export const compileCache = (): Readonly<Record<string, string>> => ({
  NODE_COMPILE_CACHE: path.join(testRun().folder, 'compile-cache'),
})
