import type { Queries } from '../database/index.ts'
import { cancelJob, handBackJobs } from '../jobs/index.ts'
import type { ExecutorOptions } from './executor-options.ts'

/**
 * Ends the leases of an executor that stops: others may have the queue's jobs, a job that only its own
 * command may run is cancelled.
 */
export async function handOver(
  queries: Queries,
  executor: { readonly id: string; readonly kind: ExecutorOptions['kind'] },
  jobIds: readonly string[],
): Promise<void> {
  if (executor.kind === 'service') {
    await handBackJobs(queries, executor.id)
    return
  }
  for (const jobId of jobIds) {
    await cancelJob(queries, jobId, 'the command that ran it has ended')
  }
}
