import { type Queries, repeatOnConflict } from '../database/index.ts'
import { cancelJob, handBackJobs } from '../jobs/index.ts'
import { delay } from '../os/index.ts'
import type { ExecutorOptions } from './executor-options.ts'
import type { LeaseHolder } from './lease-holder.ts'

/** Lines that cannot be stored so soon, as when somebody has locked a job's row, are given up. */
const logLimitMs = 1000

/**
 * Ends the leases of an executor that stops: others may have the queue's jobs, a job that only its own
 * command may run is cancelled.
 */
export async function handOver(
  queries: Queries,
  executor: { readonly id: string; readonly kind: ExecutorOptions['kind'] },
  holders: readonly Pick<LeaseHolder, 'jobId' | 'storeLog'>[],
): Promise<void> {
  const isOver = new AbortController()
  await Promise.race([
    Promise.all(holders.map((holder) => holder.storeLog())),
    delay(logLimitMs, isOver.signal).catch(() => undefined),
  ])
  isOver.abort()
  if (executor.kind === 'service') {
    await repeatOnConflict(() => handBackJobs(queries, executor.id))
    return
  }
  for (const { jobId } of holders) {
    await repeatOnConflict(() => cancelJob(queries, jobId, 'the command that ran it has ended'))
  }
}
