import type { NotNull } from 'kysely'
import type { Context } from '../context.ts'
import { KilnError } from '../errors/index.ts'
import type { Job, JobSummary } from './job.ts'
import { toJobId, toJobIds } from './job-id.ts'
import { selectJobSummaries, selectJobs } from './select-jobs.ts'

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

/**
 * One job by its id.
 *
 * @throws KilnError USAGE for text that is no id, JOB_NOT_FOUND.
 */
export async function getJob({ database }: Pick<Context, 'database'>, id: string): Promise<Job> {
  const job = await selectJobs(database.queries)
    .where('analysisJobs.id', '=', toJobId(id))
    .executeTakeFirst()
  if (!job) throw jobNotFound([id])
  return job as Job
}

/**
 * Jobs by their ids, in the order given, without results and log lines.
 *
 * @throws KilnError USAGE for text that is no id, JOB_NOT_FOUND naming those that are not there.
 */
export async function getJobSummaries(
  { database }: Pick<Context, 'database'>,
  ids: readonly string[],
): Promise<readonly JobSummary[]> {
  const wanted = toJobIds(ids)
  const rows = await selectJobSummaries(database.queries)
    .where('analysisJobs.id', 'in', wanted)
    .execute()
  const found = new Map(rows.map((row) => [row.id, row as JobSummary]))
  const missing = wanted.filter((id) => !found.has(id))
  if (missing.length > 0) throw jobNotFound(missing)
  return wanted.flatMap((id) => found.get(id) ?? [])
}

function jobNotFound(ids: readonly string[]): KilnError {
  const shown = ids.slice(0, 5).join(', ') + (ids.length > 5 ? ', …' : '')
  return new KilnError('JOB_NOT_FOUND', `there is no job ${shown}`, {
    hint: 'run: kiln job list',
    details: { job_ids: ids },
  })
}

/** Ended attempts of a job, first to last. */
export async function listAttempts(
  { database }: Pick<Context, 'database'>,
  jobId: string,
): Promise<JobAttempt[]> {
  return (
    database.queries
      .selectFrom('analysisJobAttempts')
      .selectAll()
      .where('jobId', '=', jobId)
      .orderBy('number')
      // Columns of a view may be null for all that Postgres says.
      .$narrowType<{ jobId: NotNull; number: NotNull; finishedAt: NotNull; outcome: NotNull }>()
      .execute()
  )
}
