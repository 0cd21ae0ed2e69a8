import { KilnError, isKilnError, messageOf } from '../errors/index.ts'
import { processEntry } from '../os/index.ts'
import { SandboxPool } from '../sandbox/index.ts'
import type { Inspect } from './inspect-script.ts'

/** A sandbox process that reads what scripts declare, until it is closed. */
export interface Inspector {
  readonly inspect: Inspect
  close(): Promise<void>
}

/**
 * Starts one sandbox process for scripts of a project; each is read in an isolate of its own. Its
 * limits are the sandbox's for inspections, far below those of jobs.
 *
 * @throws KilnError SANDBOX_FAILED, also later from `inspect`.
 */
export async function openInspector(projectId: string, signal?: AbortSignal): Promise<Inspector> {
  const pool = new SandboxPool({
    entryPath: processEntry('sandbox'),
    nodePath: process.execPath,
    size: 1,
    warm: 1,
  })
  await started(pool.start(), signal).catch(async (error: unknown) => {
    await pool.stop()
    throw error
  })
  return {
    inspect: async (script) => {
      const sandbox = await started(pool.acquire(projectId, signal), signal)
      try {
        return await sandbox.inspect(script)
      } finally {
        sandbox.release()
      }
    },
    close: () => pool.stop(),
  }
}

/** The sandbox knows nothing of coded errors; what it rejects with says why there is none. */
async function started<T>(starting: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  try {
    return await starting
  } catch (error) {
    if (isKilnError(error) || signal?.aborted) throw error
    throw new KilnError('SANDBOX_FAILED', `no sandbox starts: ${messageOf(error)}`, {
      cause: error,
      hint: 'run npm run build if this is a clone, else install Kiln again',
    })
  }
}
