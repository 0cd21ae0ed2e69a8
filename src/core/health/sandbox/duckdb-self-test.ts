import { chmod, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { startDuckdbProcess } from '../../duckdb/index.ts'
import { messageOf } from '../../errors/index.ts'
import { isRoot, processEntry } from '../../os/index.ts'

/** What DuckDB did in a process like a job's, without an account or a view of its own. */
export interface DuckdbSelfTest {
  readonly version: string
  readonly fileRead: Attempt
  readonly allocation: Attempt
}

/** How a forbidden thing ended; `otherwise` is not what the wall in its way says. */
export type Attempt =
  | { readonly ended: 'refused' }
  | { readonly ended: 'done' }
  | { readonly ended: 'otherwise'; readonly message: string }

const memoryLimitBytes = 256 * 1024 ** 2
/** As DuckDB begins these messages. */
const refusals = { fileRead: /^Permission Error:/, allocation: /^Out of Memory Error:/ } as const

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
    try {
      const rows = JSON.parse(await run('select version() as version')) as { version: string }[]
      const read = run('select content from read_text(?)', [secret])
      const fileRead = await attemptOf(read, 'fileRead', signal)
      // One scalar call, which DuckDB's own memory limit does not count.
      const taken = run(`select length(repeat('x', 2147483648)) as n`)
      const allocation = await attemptOf(taken, 'allocation', signal)
      return { version: rows[0]?.version ?? 'unknown', fileRead, allocation }
    } finally {
      await duckdb.stop()
    }
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

/** @throws the reason of the signal, when the time was over: nothing is known then. */
export async function attemptOf(
  work: Promise<unknown>,
  what: keyof typeof refusals,
  signal: AbortSignal,
): Promise<Attempt> {
  try {
    await work
    return { ended: 'done' }
  } catch (error) {
    signal.throwIfAborted()
    const message = messageOf(error)
    return refusals[what].test(message) ? { ended: 'refused' } : { ended: 'otherwise', message }
  }
}
