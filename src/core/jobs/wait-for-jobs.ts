import type { Context } from '../context.ts'
import { KilnError } from '../errors/index.ts'
import { waitForJob } from './wait-for-job.ts'
import type { Job } from './job.ts'

export interface WaitOptions {
  /** Return when the first has ended. */
  readonly any: boolean
  readonly timeoutMs?: number
}

/**
 * Waits until all jobs have ended, or any; returns those that have, in the order given.
 *
 * @throws KilnError JOB_NOT_FOUND, WAIT_TIMEOUT; the signal's reason when it is aborted.
 */
export async function waitForJobs(
  context: Pick<Context, 'database' | 'signal' | 'clock'>,
  ids: readonly string[],
  { any, timeoutMs }: WaitOptions,
): Promise<readonly Job[]> {
  const enough = new AbortController()
  const signal = AbortSignal.any([context.signal, enough.signal])
  const options = timeoutMs === undefined ? {} : { timeoutMs }
  const waits = ids.map((id) => waitForJob({ ...context, signal }, id, options))
  // A wait that nobody looks at any more must not end the process.
  for (const wait of waits) wait.catch(() => undefined)
  try {
    return any ? [await Promise.race(waits)] : await Promise.all(waits)
  } finally {
    enough.abort(new KilnError('INTERRUPTED', 'the wait is over'))
  }
}
