import type { Settings } from '../config/index.ts'
import { KilnError } from '../errors/index.ts'
import { processEntry } from '../os/index.ts'
import { SandboxPool, SandboxUnavailableError } from '../sandbox/index.ts'
import type { ExecutorOptions } from './executor-options.ts'
import { largestLimits } from './job-limits.ts'
import { requireIsolation } from './require-isolation.ts'
import { sandboxesToKeep } from './sandboxes-to-keep.ts'

export interface OpenSandboxes {
  readonly pool: SandboxPool
  /**
   * The first one works.
   *
   * @throws KilnError SANDBOX_FAILED, ISOLATION_MISSING where that is required.
   */
  readonly started: Promise<void>
}

/** The sandboxes of an executor, which start while it does other things. */
export function openSandboxes(
  settings: Settings,
  options: Pick<ExecutorOptions, 'kind' | 'concurrency' | 'requireIsolation'>,
): OpenSandboxes {
  const pool = new SandboxPool({
    entryPath: processEntry('sandbox'),
    nodePath: process.execPath,
    size: options.concurrency,
    keep: sandboxesToKeep(options.concurrency),
    warm: 1,
    spare: options.kind === 'service' ? 1 : 0,
    ...largestLimits(settings),
  })
  const started = start(pool, options.requireIsolation === true)
  // Awaited later; until then a sandbox that does not start must not end the process.
  started.catch(() => undefined)
  return { pool, started }
}

async function start(pool: SandboxPool, isIsolationRequired: boolean): Promise<void> {
  try {
    await pool.start()
  } catch (error) {
    if (!(error instanceof SandboxUnavailableError)) throw error
    throw new KilnError('SANDBOX_FAILED', error.message, {
      hint: 'check that this account may start the Node of Kiln, and its memory limits',
      cause: error,
    })
  }
  if (isIsolationRequired) requireIsolation(pool.walls)
}
