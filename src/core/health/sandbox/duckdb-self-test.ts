import { chmod, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { startDuckdbProcess } from '../../duckdb/index.ts'
import { isRoot, processEntry } from '../../os/index.ts'

/** What DuckDB did in a process like a job's, without an account or a view of its own. */
export interface DuckdbSelfTest {
  readonly version: string
  readonly fileRead: 'denied' | 'done'
  readonly allocation: 'refused' | 'done'
}

const memoryLimitBytes = 256 * 1024 ** 2

let tested: Promise<DuckdbSelfTest> | undefined

/** Tried once a process, however many ask. */
export function checkDuckdbSelf(): Promise<DuckdbSelfTest> {
  tested ??= test()
  return tested
}

/**
 * Only DuckDB's own settings and the kernel's limit stand in the way here: the walls around them are
 * looked at by themselves.
 */
async function test(): Promise<DuckdbSelfTest> {
  const folder = await mkdtemp(path.join(tmpdir(), 'kiln-check-'))
  const signal = AbortSignal.timeout(15_000)
  try {
    const work = path.join(folder, 'job')
    const secret = path.join(folder, 'secret')
    await writeFile(secret, 'secret', { mode: 0o600 })
    await mkdir(work, { mode: 0o700 })
    if (isRoot()) await chmod(folder, 0o700)
    const duckdb = await startDuckdbProcess({
      folder: work,
      memoryLimitBytes,
      threads: 1,
      nodePath: process.execPath,
      entryPath: processEntry('duckdb'),
    })
    const run = (text: string, parameters: readonly unknown[] = []): Promise<string> =>
      duckdb.query(text, parameters, {}, signal)
    const isRefused = (text: string, parameters: readonly unknown[] = []): Promise<boolean> =>
      run(text, parameters).then(
        () => false,
        () => true,
      )
    try {
      const rows = JSON.parse(await run('select version() as version')) as { version: string }[]
      const isDenied = await isRefused('select content from read_text(?)', [secret])
      // One scalar call, which DuckDB's own memory limit does not count.
      const tooMuch = `select length(repeat('x', 2147483648)) as n`
      const isTooMuch = await isRefused(tooMuch)
      return {
        version: rows[0]?.version ?? 'unknown',
        fileRead: isDenied ? 'denied' : 'done',
        allocation: isTooMuch ? 'refused' : 'done',
      }
    } finally {
      await duckdb.stop()
    }
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}
