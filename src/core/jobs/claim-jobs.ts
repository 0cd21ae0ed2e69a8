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
  /** Attempts it may have, those that were handed back not counted; null: as many as it takes. */
  readonly maxAttempts: number | null
  readonly triggeredBy: string
  readonly idempotencyKey: string | null
  readonly scheduledFor: string | null
  /** In which relative dates are meant; null: neither the job nor its caller is of a schedule. */
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

/** Each by its expression over `job` and its `analysis`. */
const columns: Readonly<Record<Exclude<keyof ClaimedJob, 'leaseToken'>, string>> = {
  id: 'job.id',
  analysisId: 'job.analysis_id',
  versionNumber: 'job.version_number',
  parameters: 'job.parameters',
  attempt: 'job.attempt',
  lostCount: 'job.lost_count',
  handedBackCount: 'job.handed_back_count',
  maxAttempts: 'job.max_attempts',
  triggeredBy: 'job.triggered_by',
  idempotencyKey: 'job.idempotency_key',
  scheduledFor: 'job.scheduled_for',
  scheduleTimezone: 'job.schedule_timezone',
  startedAt: 'job.started_at',
  waitMs: '(extract(epoch from now() - greatest(job.run_at, job.created_at)) * 1000)::float8',
  parentJobId: 'job.parent_job_id',
  analysisName: 'analysis.name',
  projectId: 'analysis.project_id',
  isActive: 'analysis.is_active',
  holdsSlot: 'job.holds_slot',
  databaseUse: 'job.database_use',
}

/** Columns of a claimed `job` and its `analysis`, but for the token. */
export const claimedColumns = Object.entries(columns)
  .map(([name, expression]) => `${expression} as "${name}"`)
  .join(', ')

const columnNames = Object.keys(columns)
  .map((name) => `"${name}"`)
  .join(', ')

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
    -- What is ready is pending. Without statistics the planner would take a second condition for one
    -- that few rows meet, and sort them instead of walking the index.
    where ready
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
      -- Somebody may have set it to its greatest by SQL.
      attempt = least(job.attempt + 1, 1000000000),
      executor_id = $1,
      lease_token = $3,
      waiting_reason = null,
      version_number = coalesce(job.version_number, analysis.version)
    from analyses analysis
    where job.ctid = any (array(select ctid from due))
      and job.status = 'pending'
      and analysis.id = job.analysis_id
    returning job.priority, job.run_at, ${claimedColumns}
  ),
  lease as (
    insert into analysis_leases (token, executor_id, job_ids, claim_number)
    select $3, $1, array_agg(id), $4::bigint
    from claimed
    having count(*) > 0
  )
  select ${columnNames}
  from claimed
  order by priority desc, run_at, id
`,
)

/**
 * Takes up to `limit` due jobs for an executor, by priority, due time and id, under one fresh lease
 * token. The attempt counts before the run, so that a job that kills its executor cannot loop for
 * ever. Takes none when the executor's own row is stale, stopped or draining. `claimNumber` tells the
 * executor's heartbeats which claims they can know of.
 */
export async function claimJobs(
  queries: Queries,
  executorId: string,
  limit: number,
  claimNumber = 0,
): Promise<ClaimedJob[]> {
  const leaseToken = randomUUID()
  const rows = await runPrepared<Omit<ClaimedJob, 'leaseToken'>>(queries, claim, [
    executorId,
    limit,
    leaseToken,
    claimNumber,
  ])
  return rows.map((row) => Object.assign(row, { leaseToken }))
}
