import { randomUUID } from 'node:crypto'
import { sql } from 'kysely'
import type { Queries } from '../database/index.ts'
import { KilnError } from '../errors/index.ts'
import { type ClaimedJob, claimedColumns } from './claim-jobs.ts'
import { parametersText } from './parameters-text.ts'

export interface ClaimedJobInput {
  readonly analysisId: string
  readonly versionNumber: number
  readonly parameters: unknown
  readonly triggeredBy: string
  readonly executorId: string
  readonly parentJobId?: string
  /** Most jobs of this analysis at a time, if it sets a limit. */
  readonly maxConcurrent?: number
}

/**
 * Inserts a job that its own executor has already claimed, as `analysis run` does. It is never
 * rescued to another executor: if this one dies the job fails with `executor_lost`, since nobody
 * expects it to run again behind the caller's back.
 *
 * @throws KilnError LIMITS_FULL when the analysis has as many running jobs as it allows,
 * PARAMETER_INVALID for text that a job row cannot hold.
 */
export async function insertClaimedJob(
  queries: Queries,
  input: ClaimedJobInput,
): Promise<ClaimedJob> {
  return queries.transaction().execute(async (transaction) => {
    if (input.maxConcurrent !== undefined) {
      await requireRoom(transaction, input.analysisId, input.maxConcurrent)
    }
    const leaseToken = randomUUID()
    const { rows } = await sql<Omit<ClaimedJob, 'leaseToken'>>`
      with job as (
        insert into analysis_jobs (
          analysis_id, version_number, parameters, triggered_by, executor_id, parent_job_id,
          status, started_at, attempt, max_lost, lease_token
        )
        select ${input.analysisId}, ${input.versionNumber},
          ${parametersText(input.parameters)}::jsonb, ${input.triggeredBy}, executor.id,
          ${input.parentJobId ?? null}::uuid, 'running', now(), 1, 0, ${leaseToken}::uuid
        from analysis_executors executor
        where executor.id = ${input.executorId}
          and executor.stopped_at is null
          -- A child of a job that has ended would run for nobody.
          and (
            ${input.parentJobId ?? null}::uuid is null
            or exists (
              select from analysis_jobs
              where id = ${input.parentJobId ?? null}
                and status = 'running'
              for share
            )
          )
        returning *
      )
      select ${sql.raw(claimedColumns)}
      from job
      join analyses analysis on analysis.id = job.analysis_id
    `.execute(transaction)
    const [job] = rows
    if (!job) {
      throw new KilnError(
        'JOB_LOST',
        'this executor was declared dead before it could start the job',
        {
          hint: 'run the command again',
        },
      )
    }
    return { ...job, leaseToken }
  })
}

/** The lock makes two commands that look at once count each other. */
async function requireRoom(queries: Queries, analysisId: string, most: number): Promise<void> {
  await sql`select pg_advisory_xact_lock(hashtext('kiln_max_concurrent'), hashtext(${analysisId}))`.execute(
    queries,
  )
  const { count } = await queries
    .selectFrom('analysisJobs')
    .select(({ fn }) => fn.countAll<number>().as('count'))
    .where('analysisId', '=', analysisId)
    .where('status', '=', 'running')
    .executeTakeFirstOrThrow()
  if (count < most) return
  throw new KilnError(
    'LIMITS_FULL',
    `the analysis runs ${count} of at most ${most} jobs at a time`,
    {
      hint: 'try again when one has ended, or queue it with --queue',
    },
  )
}
