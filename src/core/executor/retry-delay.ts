import type { AnalysisDefinition } from '../analyses/index.ts'
import type { ClaimedJob, JobError } from '../jobs/index.ts'

type RetryPolicy = NonNullable<AnalysisDefinition['retries']>

/** Errors that the next try would only repeat: they lie in what the job is, not in how it went. */
const final = new Set([
  'parameter_error',
  'definition_error',
  'result_too_large',
  'result_not_serializable',
  'result_not_stored',
])

/** However often it doubles; an hour is long enough for anything that mends itself. */
const longestDelayMs = 3_600_000

/**
 * How long after a failed attempt the next one is due, or undefined when there is none. Attempts
 * that were lost or handed back are not the script's and do not count for its policy; those that were
 * lost count for `max_attempts` of the job, which bounds both.
 */
export function retryDelayMs(
  policy: RetryPolicy | undefined,
  job: Pick<ClaimedJob, 'attempt' | 'lostCount' | 'handedBackCount' | 'maxAttempts'>,
  error: Pick<JobError, 'code'>,
  random: () => number = Math.random,
): number | undefined {
  if (!policy || final.has(error.code)) return undefined
  const tries = job.attempt - job.lostCount - job.handedBackCount
  if (tries > policy.limit) return undefined
  if (job.attempt - job.handedBackCount >= (job.maxAttempts ?? Infinity)) return undefined
  const factor = policy.backoff === 'exponential' ? 2 ** (tries - 1) : 1
  const delayMs = Math.min(policy.delayMs * factor, longestDelayMs)
  // Up to a quarter more, so that jobs that failed together do not come back together.
  return Math.round(delayMs * (1 + random() / 4))
}
