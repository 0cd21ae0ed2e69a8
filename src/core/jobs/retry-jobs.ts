import { KilnError } from '../errors/index.ts'
import { toJobIds } from './job-id.ts'
import { type RetriedJob, retryJob } from './retry-job.ts'

/** What a retry came to for one job: a new one, or the reason why there is none. */
export type RetryOutcome =
  | { readonly id: string; readonly job: RetriedJob; readonly error?: never }
  | { readonly id: string; readonly job?: never; readonly error: KilnError }

/**
 * Retries jobs one by one; one that cannot be retried does not keep the others from it.
 *
 * @throws KilnError USAGE for text that is no id, before anything is queued; database errors.
 */
export async function retryJobs(
  context: Parameters<typeof retryJob>[0],
  ids: readonly string[],
  choose?: Parameters<typeof retryJob>[2],
): Promise<RetryOutcome[]> {
  const outcomes: RetryOutcome[] = []
  for (const id of toJobIds(ids)) {
    try {
      outcomes.push({ id, job: await retryJob(context, id, choose) })
    } catch (error) {
      if (!(error instanceof KilnError)) throw error
      outcomes.push({ id, error })
    }
  }
  return outcomes
}
