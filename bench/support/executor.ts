import { chmodSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { loadSettings } from '../../src/core/config/index.ts'
import type { Context } from '../../src/core/context.ts'
import { openDatabase, resolveTarget } from '../../src/core/database/index.ts'
import { Executor } from '../../src/core/executor/index.ts'
import { silentLogger } from '../../src/core/log/index.ts'
import { migrateUp } from '../../src/core/migrate/index.ts'
import { systemClock } from '../../src/core/os/index.ts'
import { withBenchPostgres } from './postgres.ts'

export interface BenchExecutor {
  readonly context: Context
  readonly executor: Executor
  /** A temporary one, from which datasources may read; the data folder is in it. */
  readonly folder: string
  readonly databaseUrl: string
}

/** Runs `measure` with an executor of one sandbox over a database of its own. */
export async function withBenchExecutor<T>(
  name: string,
  measure: (bench: BenchExecutor) => Promise<T>,
): Promise<T> {
  const folder = mkdtempSync(path.join(tmpdir(), `kiln-bench-${name}-`))
  // As root, processes of jobs run under accounts of their own, which must get through.
  chmodSync(folder, 0o711)
  try {
    return await withBenchPostgres((databaseUrl) => start(folder, databaseUrl, measure))
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

async function start<T>(
  folder: string,
  databaseUrl: string,
  measure: (bench: BenchExecutor) => Promise<T>,
): Promise<T> {
  const { settings } = loadSettings({ flags: { databaseUrl, dataDir: path.join(folder, 'data') } })
  const database = openDatabase({
    target: await resolveTarget(settings),
    applicationName: 'kiln bench',
    poolSize: 5,
  })
  const context: Context = {
    settings: { ...settings, allowedFileRoots: [folder] },
    database,
    clock: systemClock,
    log: silentLogger,
    signal: new AbortController().signal,
    operator: { actor: 'bench', source: 'cli' },
  }
  await migrateUp(context)
  const executor = new Executor(context, { kind: 'service', concurrency: 1, programVersion: '0' })
  await executor.start()
  try {
    return await measure({ context, executor, folder, databaseUrl })
  } finally {
    await executor.stop()
    await database.close()
  }
}
