import { rmdir } from 'node:fs/promises'
import { setTimeout as delay } from 'node:timers/promises'
import { KilnError, errorCodeOf } from '../../errors/index.ts'
import { isProcessRunning, systemClock } from '../../os/index.ts'
import { probeServer } from './probe-server.ts'
import { isServerProcess } from './stale-postmaster-file.ts'
import { findLayout } from './state-folder.ts'

export interface StopPrivatePostgresOptions {
  readonly dataDir: string
  readonly signal?: AbortSignal
  /** The shutdown writes a checkpoint first; a minute covers a slow disk. */
  readonly timeoutMs?: number
}

/**
 * Ends the private Postgres of a data folder: open transactions are rolled back, data is written
 * out, and the call returns when the process is gone. False when none ran; safe to repeat.
 *
 * @throws KilnError PERMISSION_DENIED for another account's, PRIVATE_POSTGRES_FAILED when it does
 * not end.
 */
export async function stopPrivatePostgres(options: StopPrivatePostgresOptions): Promise<boolean> {
  const timeoutMs = options.timeoutMs ?? 60_000
  const layout = await findLayout(options.dataDir)
  const probe = await probeServer(layout)
  if (probe.state === 'down') return false
  const { pid } = probe.file
  const isServer = await isServerProcess(layout.pgdata, probe.file)
  if (probe.state === 'silent' && isServer !== true) return false
  if (isServer === false) {
    throw new KilnError(
      'PRIVATE_POSTGRES_FAILED',
      `the private Postgres in ${layout.stateFolder} runs in another container or on another machine`,
      { hint: 'run kiln db stop there' },
    )
  }
  interrupt(pid, layout.stateFolder)
  const deadline = systemClock.monotonic() + timeoutMs
  while (isProcessRunning(pid)) {
    options.signal?.throwIfAborted()
    if (systemClock.monotonic() > deadline) {
      throw new KilnError(
        'PRIVATE_POSTGRES_FAILED',
        `the private Postgres (pid ${pid}) does not end after ${timeoutMs / 1000} s`,
        { hint: `look into ${layout.logFolder}` },
      )
    }
    await delay(10)
  }
  if (probe.file.socketFolder !== layout.socketFolder) {
    // The short folder that a long path asks for; a server that has started since keeps it.
    await rmdir(probe.file.socketFolder).catch(() => undefined)
  }
  return true
}

/** SIGINT is Postgres's fast shutdown: sessions are ended, nothing is waited for. */
function interrupt(pid: number, folder: string): void {
  try {
    process.kill(pid, 'SIGINT')
  } catch (error) {
    if (errorCodeOf(error) === 'ESRCH') return
    throw new KilnError(
      'PERMISSION_DENIED',
      `the private Postgres in ${folder} (pid ${pid}) runs under another account`,
      { hint: 'run the command as that account or as root', cause: error },
    )
  }
}
