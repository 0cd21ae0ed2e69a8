import { spawn } from 'node:child_process'
import { readdir, stat } from 'node:fs/promises'
import path from 'node:path'
import type { ClientConfig } from 'pg'
import type { Context } from '../../context.ts'
import { type ErrorCode, KilnError } from '../../errors/index.ts'
import type { DumpTool } from './find-dump-tool.ts'
import type { Snapshot } from './open-snapshot.ts'
import { toolEnvironment } from './tool-environment.ts'

export interface RunDumpInput {
  /** Its connections have nothing to do meanwhile, and find out whether the server is still there. */
  readonly snapshot: Pick<Snapshot, 'readers'>
  /** That pg_dump makes. */
  readonly folder: string
  readonly args: readonly string[]
  /** How often the server is asked for a sign of life. */
  readonly beatEveryMs: number
  /** How long pg_dump may write nothing while the server answers us: its own connections may be dead. */
  readonly stallLimitMs: number
}

/**
 * Runs pg_dump to its end.
 *
 * @throws KilnError DATABASE_CONNECTION_FAILED, LOCK_TIMEOUT, PERMISSION_DENIED, DISK_FULL, or BACKUP_FAILED
 * with what pg_dump said.
 */
export async function runDump(
  { database, signal }: Pick<Context, 'database' | 'signal'>,
  tool: DumpTool,
  { snapshot, folder, args, beatEveryMs, stallLimitMs }: RunDumpInput,
): Promise<void> {
  signal.throwIfAborted()
  const child = spawn(tool.file, args, {
    cwd: '/',
    // Its words go through a pipe of ours: when we die it cannot write them, and ends too.
    stdio: ['ignore', 'ignore', 'pipe'],
    env: toolEnvironment(database.target.config as ClientConfig, 'kiln backup (pg_dump)'),
    signal,
    killSignal: 'SIGKILL',
  })
  let words = ''
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    words = (words + text).slice(-8192)
  })
  let lost: unknown
  const end = (reason: unknown): void => {
    lost ??= reason
    child.kill('SIGKILL')
  }
  const watch = watchGrowth(folder, stallLimitMs, () => {
    end(failed(`it wrote nothing for ${stallLimitMs / 1000} s`))
  })
  const stopAsking = askNowAndThen(snapshot, beatEveryMs, end)
  let exitCode: number | null
  try {
    exitCode = await new Promise<number | null>((resolve, reject) => {
      child.on('error', reject)
      child.on('close', resolve)
    })
  } finally {
    clearInterval(watch)
    await stopAsking()
  }
  if (lost !== undefined) throw lost
  if (exitCode === 0) return
  signal.throwIfAborted()
  const errors = words.split('\n').filter((line) => /error:|detail:|hint:/i.test(line))
  throw failed(
    errors.join('; ') || `it ended with ${exitCode === null ? 'a signal' : `code ${exitCode}`}`,
  )
}

/** What pg_dump says, and which of our errors it is: whoever called us retries some of them. */
const known: readonly (readonly [RegExp, ErrorCode, string])[] = [
  [/No space left on device|quota exceeded/i, 'DISK_FULL', 'make room: kiln backup prune'],
  [
    /lock timeout|statement timeout[^]*LOCK TABLE/,
    'LOCK_TIMEOUT',
    'try again when whoever holds the table has ended',
  ],
  [
    /could not connect|connection to server|server closed the connection|terminating connection|SSL SYSCALL/,
    'DATABASE_CONNECTION_FAILED',
    'check that Postgres runs, then try again',
  ],
  [
    /permission denied|row-level security/,
    'PERMISSION_DENIED',
    "let this role read all of the database, or back up Kiln's tables alone: --profile analysis",
  ],
]

function failed(reason: string): KilnError {
  const [, code, hint] = known.find(([pattern]) => pattern.test(reason)) ?? []
  return new KilnError(code ?? 'BACKUP_FAILED', `pg_dump failed: ${reason}`, {
    hint: hint ?? "mend what it says, or back up Kiln's tables alone: --profile analysis",
  })
}

/** A silent network keeps pg_dump waiting for ever, and a server that is gone does so too for a while. */
function askNowAndThen(
  { readers }: Pick<Snapshot, 'readers'>,
  everyMs: number,
  onLost: (reason: unknown) => void,
): () => Promise<void> {
  let asking: Promise<unknown> | undefined
  const timer = setInterval(() => {
    asking ??= Promise.all(readers.map((reader) => reader.ask('select')))
      .catch(onLost)
      .then(() => (asking = undefined))
  }, everyMs)
  return async () => {
    clearInterval(timer)
    await asking
  }
}

/** Its bytes grow as long as it works. */
function watchGrowth(folder: string, limitMs: number, onStall: () => void): NodeJS.Timeout {
  let last = { bytes: -1, at: performance.now() }
  return setInterval(() => {
    void sizeOf(folder).then((bytes) => {
      if (bytes !== last.bytes) last = { bytes, at: performance.now() }
      else if (performance.now() - last.at > limitMs) onStall()
    })
  }, 5000)
}

async function sizeOf(folder: string): Promise<number> {
  const names = await readdir(folder).catch(() => [])
  const sizes = await Promise.all(
    names.map((name) =>
      stat(path.join(folder, name)).then(
        ({ size }) => size,
        () => 0,
      ),
    ),
  )
  return sizes.reduce((sum, size) => sum + size, 0)
}
