import { randomUUID } from 'node:crypto'
import { type Queries, prepare, runPrepared } from '../database/index.ts'
import { nextOrdinaryChange } from './ordinary-change.ts'

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
  readonly priority: number
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

/** What few jobs have: its value if it is not the usual one. */
const rare = {
  lostCount: 'nullif(job.lost_count, 0)',
  handedBackCount: 'nullif(job.handed_back_count, 0)',
  maxAttempts: 'job.max_attempts',
  triggeredBy: `nullif(job.triggered_by, 'manual')`,
  idempotencyKey: 'job.idempotency_key',
  scheduleTimezone: 'job.schedule_timezone',
  priority: 'nullif(job.priority, 0)',
  // Of a job that was inserted after it was due.
  ageMs: `
    case when job.created_at > job.run_at then date_part('epoch', now() - job.created_at) * 1000 end`,
  parentJobId: 'job.parent_job_id',
  holdsSlot: 'nullif(job.holds_slot, false)',
  databaseUse: 'job.database_use',
} as const

const rareValues = Object.values(rare).join(', ')
const rarePairs = Object.entries(rare)
  .map(([name, expression]) => `'${name}', ${expression}`)
  .join(', ')

/**
 * Each by its expression over `job`. What nearly every job has in common comes as null, and most of it
 * in one column: each costs the server and the driver its time for every job.
 */
const columns = {
  id: 'job.id',
  analysisId: 'job.analysis_id',
  versionNumber: 'job.version_number',
  parameters: `nullif(job.parameters, '{}')`,
  attempt: 'job.attempt',
  scheduledFor: 'job.scheduled_for',
  // Not by extract, which calculates in decimals of any length.
  overdueMs: `date_part('epoch', now() - job.run_at) * 1000`,
  rare: `case when num_nonnulls(${rareValues}) > 0 then json_build_object(${rarePairs}) end`,
} as const

/** Columns of a claimed `job`, which `toClaimedJob` takes. */
export const claimedColumns = Object.entries(columns)
  .map(([name, expression]) => `${expression} as "${name}"`)
  .join(', ')

const columnNames = Object.keys(columns)
  .map((name) => `"${name}"`)
  .join(', ')
const noColumns = Object.keys(columns)
  .map((name) => (name === 'analysisId' ? 'analysis.id' : 'null'))
  .join(', ')

/** What the jobs of one analysis in one claim have in common, over `analysis` and `startedAt`. */
export const sharedFacts = (startedAt: string): string => `
  json_build_object(
    'analysisName', analysis.name,
    'projectId', analysis.project_id,
    'isActive', analysis.is_active,
    -- As the driver gives times: JSON's are those of the standard, whatever the session is set to.
    'startedAt', (to_json(${startedAt} at time zone 'UTC') #>> '{}') || 'Z'
  )`

export type SharedFacts = Pick<ClaimedJob, 'analysisName' | 'projectId' | 'isActive' | 'startedAt'>

interface RareValues {
  readonly lostCount: number | null
  readonly handedBackCount: number | null
  readonly maxAttempts: number | null
  readonly triggeredBy: string | null
  readonly idempotencyKey: string | null
  readonly scheduleTimezone: string | null
  readonly priority: number | null
  readonly ageMs: number | null
  readonly parentJobId: string | null
  readonly holdsSlot: boolean | null
  readonly databaseUse: 'read' | 'write' | null
}

/** The row of `claimedColumns`. */
export interface ClaimedRow {
  readonly id: string
  readonly analysisId: string
  readonly versionNumber: number
  readonly parameters: unknown
  readonly attempt: number
  readonly scheduledFor: string | null
  /** Since it was due. */
  readonly overdueMs: number
  readonly rare: RareValues | null
}

/** Of an analysis, some of whose jobs were claimed. */
interface SharedRow {
  readonly id: null
  readonly analysisId: string
  readonly shared: SharedFacts
}

/** A claimed job of its row. */
export const toClaimedJob = (
  row: ClaimedRow,
  shared: SharedFacts,
  leaseToken: string,
): ClaimedJob => ({
  id: row.id,
  analysisId: row.analysisId,
  versionNumber: row.versionNumber,
  parameters: row.parameters ?? {},
  leaseToken,
  attempt: row.attempt,
  lostCount: row.rare?.lostCount ?? 0,
  handedBackCount: row.rare?.handedBackCount ?? 0,
  maxAttempts: row.rare?.maxAttempts ?? null,
  priority: row.rare?.priority ?? 0,
  triggeredBy: row.rare?.triggeredBy ?? 'manual',
  idempotencyKey: row.rare?.idempotencyKey ?? null,
  scheduledFor: row.scheduledFor,
  scheduleTimezone: row.rare?.scheduleTimezone ?? null,
  startedAt: shared.startedAt,
  waitMs: row.rare?.ageMs ?? row.overdueMs,
  parentJobId: row.rare?.parentJobId ?? null,
  analysisName: shared.analysisName,
  projectId: shared.projectId,
  isActive: shared.isActive,
  holdsSlot: row.rare?.holdsSlot ?? false,
  databaseUse: row.rare?.databaseUse ?? null,
})

/** By priority, due time and id, as the queue: here, since the server would carry whole rows for it. */
function compareInQueue(a: ClaimedRow, b: ClaimedRow): number {
  const byPriority = (b.rare?.priority ?? 0) - (a.rare?.priority ?? 0)
  if (byPriority !== 0) return byPriority
  if (a.overdueMs !== b.overdueMs) return b.overdueMs - a.overdueMs
  return a.id < b.id ? -1 : 1
}

/**
 * Walks the entries of the queue in their order and locks the job of each, stepping over those that
 * somebody else has locked: whoever changes a job's entry has locked the job. The order is of a
 * sub-select, so that no plan locks more jobs than it takes. By ctid, and not by id: the rows are
 * locked, so that they stay where they are, and the planner cannot choose to read a whole table for a
 * large batch. A row that has become another since this statement began is not found in its new place:
 * the entry stays, and who made the change has woken us for the next claim.
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
  due as materialized (
    select due.job_id, due.place, due.entry
    from executor
    cross join lateral kiln_take_due_jobs($2, executor.home) as due
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
      version_number = coalesce(job.version_number, analysis.version),
      ordinary_changes = ${nextOrdinaryChange}
    from analyses analysis
    where job.ctid = any (array(select place from due))
      and analysis.id = job.analysis_id
    returning ${claimedColumns}
  ),
  taken as (
    delete from analysis_job_queue
    where ctid = any (array(select due.entry from due join claimed on claimed.id = due.job_id))
  ),
  lease as (
    insert into analysis_leases (token, executor_id, job_ids, claim_number)
    select $3, $1, array_agg(id), $4::bigint
    from claimed
    having count(*) > 0
  )
  select ${columnNames}, null::json as shared
  from claimed
  union all
  select ${noColumns}, ${sharedFacts('now()')}
  from analyses analysis
  where analysis.id = any (array(select distinct "analysisId" from claimed))
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
  const rows = await runPrepared<ClaimedRow | SharedRow>(queries, claim, [
    executorId,
    limit,
    leaseToken,
    claimNumber,
  ])
  const shared = new Map<string, SharedFacts>()
  const claimed: ClaimedRow[] = []
  for (const row of rows) {
    if (row.id === null) shared.set(row.analysisId, row.shared)
    else claimed.push(row)
  }
  return claimed.sort(compareInQueue).map((row) => {
    const facts = shared.get(row.analysisId)
    if (!facts) throw new Error(`a claim without its analysis ${row.analysisId}`)
    return toClaimedJob(row, facts, leaseToken)
  })
}
