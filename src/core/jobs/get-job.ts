import type { Context } from '../context.ts'
import { KilnError } from '../errors/index.ts'
import type { Job } from './job.ts'
import { selectJobs } from './select-jobs.ts'

/** An ended attempt of a job. */
export interface JobAttempt {
  readonly number: number
  readonly executorId: string | null
  readonly executorLabel: string | null
  readonly startedAt: string | null
  readonly finishedAt: string
  readonly outcome: string
  readonly errorCode: string | null
  readonly errorMessage: string | null
}

const uuid = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i

/**
 * One job by its id.
 *
 * @throws KilnError USAGE for text that is no id, JOB_NOT_FOUND.
 */
export async function getJob({ database }: Pick<Context, 'database'>, id: string): Promise<Job> {
  if (!uuid.test(id)) {
    throw new KilnError('USAGE', `${JSON.stringify(id)} is not a job id`, {
      hint: 'job ids are uuids: kiln job list shows them',
    })
  }
  const job = await selectJobs(database.queries)
    .where('analysisJobs.id', '=', id)
    .executeTakeFirst()
  if (!job) {
    throw new KilnError('JOB_NOT_FOUND', `there is no job ${id}`, {
      hint: 'run: kiln job list',
    })
  }
  return job as Job
}

/** Ended attempts of a job, first to last. */
export async function listAttempts(
  { database }: Pick<Context, 'database'>,
  jobId: string,
): Promise<JobAttempt[]> {
  return database.queries
    .selectFrom('analysisJobAttempts')
    .selectAll()
    .where('jobId', '=', jobId)
    .orderBy('number')
    .execute()
}
