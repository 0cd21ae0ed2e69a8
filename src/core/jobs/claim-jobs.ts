import { randomUUID } from 'node:crypto'
import { type Queries, prepare, runPrepared } from '../database/index.ts'

/** What an executor needs of a job it has claimed. */
export interface ClaimedJob {
  readonly id: string
  readonly analysisId: string
  readonly versionNumber: number
  readonly parameters: unknown
  /** Shared by the jobs of one claim: a lease is named by job and token. */
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
  /** How long it might have run before, until the claim. */
  readonly waitMs: number
  readonly parentJobId: string | null
  readonly analysisName: string
  readonly projectId: string
  readonly isActive: boolean
  /** It runs under a limit: its end lets another go. */
  readonly holdsSlot: boolean
  /** If it holds a slot: what it may do with the project database. */
  readonly databaseUse: 'read' | 'write' | null
}

/** Columns of a claimed `job` and its `analysis`, but for the token. */
export const claimedColumns = `
  job.id, job.analysis_id as "analysisId", job.version_number as "versionNumber", job.parameters,
  job.attempt, job.lost_count as "lostCount", job.handed_back_count as "handedBackCount",
  job.triggered_by as "triggeredBy", job.idempotency_key as "idempotencyKey",
  job.scheduled_for as "scheduledFor", job.schedule_timezone as "scheduleTimezone",
  job.started_at as "startedAt",
  (extract(epoch from now() - greatest(job.run_at, job.created_at)) * 1000)::float8 as "waitMs",
  job.parent_job_id as "parentJobId", analysis.name as "analysisName",
  analysis.project_id as "projectId", analysis.is_active as "isActive",
  job.holds_slot as "holdsSlot", job.database_use as "databaseUse"
`

/**
 * By ctid, and not by id: the rows are locked, so that they stay where they are, and the planner
 * cannot choose to read the whole table for a large batch.
 */
const claim = prepare(
  'kiln_claim_jobs',
  `
  with executor as (
    select id, data_folder_id::text as home
    from analysis_executors
    where id = $1
      and stopped_at is null
      and not is_draining
      and beat_at > now() - interval '8 seconds'
  ),
  due as (
    select ctid
    from analysis_jobs
    where ready
      and status = 'pending'
      and run_at <= now()
      and exists (select from executor)
      and (database_home is null or database_home = (select home from executor))
    order by priority desc, run_at, id
    limit $2
    for update skip locked
  ),
  claimed as (
    update analysis_jobs job
    set status = 'running',
      ready = false,
      started_at = now(),
      attempt = job.attempt + 1,
      executor_id = $1,
      lease_token = $3,
      waiting_reason = null,
      version_number = coalesce(job.version_number, analysis.version)
    from analyses analysis
    where job.ctid = any (array(select ctid from due))
      and analysis.id = job.analysis_id
    returning job.priority, job.run_at, ${claimedColumns}
  ),
  lease as (
    insert into analysis_leases (token, executor_id, job_ids)
    select $3, $1, array_agg(id)
    from claimed
    having count(*) > 0
  )
  select id, "analysisId", "versionNumber", parameters, attempt, "lostCount", "handedBackCount",
    "triggeredBy", "idempotencyKey", "scheduledFor", "startedAt", "waitMs", "parentJobId",
    "analysisName", "projectId", "isActive", "holdsSlot", "databaseUse"
  from claimed
  order by priority desc, run_at, id
`,
)

/**
 * Takes up to `limit` due jobs for an executor, by priority, due time and id, under one fresh lease
 * token. The attempt counts before the run, so that a job that kills its executor cannot loop for
 * ever. Takes none when the executor's own row is stale, stopped or draining.
 */
export async function claimJobs(
  queries: Queries,
  executorId: string,
  limit: number,
): Promise<ClaimedJob[]> {
  const leaseToken = randomUUID()
  const rows = await runPrepared<Omit<ClaimedJob, 'leaseToken'>>(queries, claim, [
    executorId,
    limit,
    leaseToken,
  ])
  return rows.map((row) => Object.assign(row, { leaseToken }))
}
