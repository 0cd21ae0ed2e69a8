import { readFile, readdir, stat } from 'node:fs/promises'
import path from 'node:path'
import { KilnError } from '../../errors/index.ts'
import type { Layout } from './layout.ts'

/** Turns what initdb or postgres printed into a coded error; its last lines are the hint. */
export function serverFailure(what: string, output: string): KilnError {
  const lines = lastLines(output, 5)
  if (/No space left on device|Disk quota exceeded/.test(output)) {
    return new KilnError('DISK_FULL', `${what}: no space left on the device`, {
      hint: 'free space on the device of the data folder, then run the command again',
    })
  }
  if (/Read-only file system/.test(output)) {
    return new KilnError('PERMISSION_DENIED', `${what}: its folder is read-only`, {
      hint: 'choose a writable folder with ANALYSIS_DATA_DIR, or set DATABASE_URL',
    })
  }
  const code = /Permission denied/.test(output) ? 'PERMISSION_DENIED' : 'PRIVATE_POSTGRES_FAILED'
  return new KilnError(code, what, {
    hint: lines === '' ? 'set DATABASE_URL to a server that runs' : `it said:\n${lines}`,
  })
}

/** The newest of the server's own logs, or nothing. */
export async function readServerLog(layout: Layout): Promise<string> {
  try {
    const files = (await readdir(layout.logFolder)).filter((name) => name.startsWith('postgres-'))
    const dated = await Promise.all(
      files.map(async (name) => {
        const file = path.join(layout.logFolder, name)
        return { file, changedAt: (await stat(file)).mtimeMs }
      }),
    )
    const newest = dated.toSorted((a, b) => b.changedAt - a.changedAt)[0]
    return newest ? await readFile(newest.file, 'utf8') : ''
  } catch {
    // The log only adorns an error; the error itself is told without it.
    return ''
  }
}

function lastLines(text: string, count: number): string {
  return text
    .split('\n')
    .filter((line) => line.trim() !== '')
    .slice(-count)
    .join('\n')
}
