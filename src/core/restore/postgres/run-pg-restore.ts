import { spawn } from 'node:child_process'
import type { ClientConfig } from 'pg'
import { type DumpTool, toolEnvironment } from '../../backup/index.ts'
import type { ConnectionTarget } from '../../database/index.ts'
import { KilnError } from '../../errors/index.ts'
import type { SessionWatch } from './session-watch.ts'
import { withRestoreSession } from './session.ts'

/**
 * Fills an empty database from a dump in folder format. The first failure of any part ends it.
 *
 * @throws KilnError RESTORE_REFUSED with what pg_restore said, DATABASE_CONNECTION_FAILED.
 */
export async function runPgRestore(
  tool: DumpTool,
  folder: string,
  target: ConnectionTarget,
  options: { readonly signal: AbortSignal; readonly silenceLimitMs?: number | undefined },
): Promise<void> {
  // It would wait for a server that is gone for ever: a connection beside it finds that out.
  await withRestoreSession(target, options, async ({ watch }) =>
    run(tool, folder, target, options.signal, watch),
  )
}

async function run(
  tool: DumpTool,
  folder: string,
  target: ConnectionTarget,
  signal: AbortSignal,
  watch: SessionWatch,
): Promise<void> {
  const environment = toolEnvironment(target.config as ClientConfig, 'kiln restore (pg_restore)')
  const args = [
    '--format=directory',
    '--jobs=2',
    '--exit-on-error',
    '--no-password',
    `--dbname=${environment.PGDATABASE ?? ''}`,
    folder,
  ]
  const child = spawn(tool.file, args, {
    cwd: '/',
    stdio: ['ignore', 'ignore', 'pipe'],
    env: environment,
    signal,
    killSignal: 'SIGKILL',
  })
  const look = setInterval(() => {
    if (watch.silence) child.kill('SIGKILL')
  }, 200)
  let words = ''
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    words = (words + text).slice(-8192)
  })
  const exitCode = await new Promise<number | null>((resolve, reject) => {
    child.on('error', reject)
    child.on('close', resolve)
  }).finally(() => clearInterval(look))
  if (exitCode === 0) return
  if (watch.silence) throw watch.silence
  const errors = words.split('\n').filter((line) => /error:|detail:|hint:/i.test(line))
  const reason = errors.join('; ') || `it ended with ${exitCode ?? 'a signal'}`
  throw new KilnError('RESTORE_REFUSED', `pg_restore failed: ${reason}`, {
    hint: 'make what it misses on the server (roles: pg_dumpall --globals-only), then try again: the new database was dropped',
  })
}
