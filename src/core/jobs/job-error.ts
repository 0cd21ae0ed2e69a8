import { KilnError } from '../errors/index.ts'
import type { Job } from './job.ts'

/** Job errors that are limits: the exit code tells scripts that a rerun hits them again. */
const limits = new Set(['timeout', 'memory_limit', 'cpu_limit', 'result_too_large'])

/** The error a command ends with for a job that did not complete; undefined for one that did. */
export function jobError(
  job: Pick<Job, 'id' | 'status' | 'errorCode' | 'errorMessage' | 'errorStack'>,
): KilnError | undefined {
  const details = { job_id: job.id, error_code: job.errorCode }
  switch (job.status) {
    case 'completed':
      return undefined
    case 'cancelled':
      return new KilnError(
        'JOB_CANCELLED',
        `job ${job.id} was cancelled: ${job.errorMessage ?? 'no reason given'}`,
        {
          details,
        },
      )
    case 'failed': {
      const code = limits.has(job.errorCode ?? '')
        ? 'JOB_LIMIT'
        : job.errorCode === 'executor_lost'
          ? 'JOB_LOST'
          : 'JOB_FAILED'
      return new KilnError(code, `job ${job.id} failed, ${job.errorCode}: ${job.errorMessage}`, {
        hint: `run: kiln job show ${job.id}`,
        details,
      })
    }
    default:
      return new KilnError('JOB_NOT_FINISHED', `job ${job.id} is ${job.status}`, { details })
  }
}

/** Worst last: what a script should hear of first when several jobs went wrong. */
const severity: readonly string[] = ['JOB_CANCELLED', 'JOB_LOST', 'JOB_LIMIT', 'JOB_FAILED']

/** The error of the job that went worst; undefined when all completed. */
export function worstJobError(
  jobs: readonly Parameters<typeof jobError>[0][],
): KilnError | undefined {
  return jobs
    .map(jobError)
    .filter((error) => error !== undefined)
    .sort((a, b) => severity.indexOf(b.code) - severity.indexOf(a.code))[0]
}
