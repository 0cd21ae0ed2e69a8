import { processEntry } from '../os/index.ts'
import { SandboxPool } from '../sandbox/index.ts'
import type { Inspect } from './inspect-script.ts'

/** A sandbox process that reads what scripts declare, until it is closed. */
export interface Inspector {
  readonly inspect: Inspect
  close(): Promise<void>
}

/**
 * Starts one sandbox process. Scripts of one project may share it; each is read in an isolate of
 * its own.
 *
 * @throws KilnError SANDBOX_FAILED.
 */
export async function openInspector(projectId: string, signal?: AbortSignal): Promise<Inspector> {
  const pool = new SandboxPool({
    entryPath: processEntry('sandbox'),
    nodePath: process.execPath,
    size: 1,
    warm: 1,
  })
  await pool.start()
  return {
    inspect: async (script) => {
      const sandbox = await pool.acquire(projectId, signal)
      try {
        return await sandbox.inspect(script)
      } finally {
        sandbox.release()
      }
    },
    close: () => pool.stop(),
  }
}
