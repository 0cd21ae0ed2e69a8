import { sql } from 'kysely'
import type { Queries } from '../database/index.ts'

/** What an executor needs of a job it has claimed. */
export interface ClaimedJob {
  readonly id: string
  readonly analysisId: string
  readonly versionNumber: number
  readonly parameters: unknown
  readonly leaseToken: string
  readonly attempt: number
  readonly lostCount: number
  readonly handedBackCount: number
  readonly triggeredBy: string
  readonly idempotencyKey: string | null
  readonly scheduledFor: string | null
  /** In which relative dates are meant; null: the job is of no schedule. */
  readonly scheduleTimezone: string | null
  readonly startedAt: string
  /** Since when it might have run. */
  readonly dueAt: string
  readonly parentJobId: string | null
  readonly analysisName: string
  readonly projectId: string
  readonly isActive: boolean
}

/** Columns of a claimed `job` and its `analysis`. */
export const claimedColumns = sql`
  job.id, job.analysis_id, job.version_number, job.parameters, job.lease_token, job.attempt,
  job.lost_count, job.handed_back_count,
  job.triggered_by, job.idempotency_key, job.scheduled_for, job.schedule_timezone,
  job.started_at,
  greatest(job.run_at, job.created_at) as due_at, job.parent_job_id,
  analysis.name as analysis_name, analysis.project_id, analysis.is_active
`

/**
 * Takes up to `limit` due jobs for an executor, by priority, due time and id, each with a fresh
 * lease token. The attempt counts before the run, so that a job that kills its executor cannot loop
 * for ever. Takes none when the executor's own row is stale, stopped or draining.
 */
export async function claimJobs(
  queries: Queries,
  executorId: string,
  limit: number,
): Promise<ClaimedJob[]> {
  const { rows } = await sql<ClaimedJob>`
    with executor as (
      select id
      from analysis_executors
      where id = ${executorId}
        and stopped_at is null
        and not is_draining
        and beat_at > now() - interval '8 seconds'
    ),
    due as (
      select id, analysis_id
      from analysis_jobs
      where status = 'pending'
        and ready
        and run_at <= now()
        and exists (select from executor)
      order by priority desc, run_at, id
      limit ${limit}
      for update skip locked
    )
    update analysis_jobs job
    set status = 'running',
      started_at = now(),
      attempt = job.attempt + 1,
      executor_id = ${executorId},
      lease_token = gen_random_uuid(),
      waiting_reason = null,
      version_number = coalesce(job.version_number, analysis.version)
    from due
    join analyses analysis on analysis.id = due.analysis_id
    where job.id = due.id
    returning ${claimedColumns}
  `.execute(queries)
  return rows
}
