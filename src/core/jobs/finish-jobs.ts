import { sql } from 'kysely'
import {
  type Queries,
  float8Array,
  int8Array,
  prepare,
  runPrepared,
  textArray,
  uuidArray,
} from '../database/index.ts'
import { nextOrdinaryChange } from './ordinary-change.ts'
import { postgresArray } from './postgres-array.ts'

export interface JobError {
  readonly code: string
  readonly message: string
  readonly stack: string | null
}

/** How a job ended, as its lease holder writes it. */
export interface JobOutcome {
  readonly status: 'completed' | 'failed'
  /** JSON text of an inline result; null when there is none or it is stored as a file. */
  readonly resultText: string | null
  readonly error: JobError | null
  /** The last lines of the log, a summary for people who look with SQL. */
  readonly logs: readonly string[]
  readonly peakMemoryBytes: number | null
  /** From the claim to the start of the script, and from there to its end. */
  readonly startDelayMs: number
  readonly durationMs: number
}

/** Names the lease a write belongs to. */
export interface Lease {
  readonly jobId: string
  readonly leaseToken: string
}

/** Tells leases apart in a map; a lost job that is claimed again here has two. */
export const leaseKey = ({ jobId, leaseToken }: Lease): string => `${jobId} ${leaseToken}`

/** An outcome and the lease under which it may be written. */
export interface FinishedJob {
  readonly lease: Lease
  readonly outcome: JobOutcome
}

const none = textArray([])
const none8 = int8Array([])

/** How long the statement waits for rows that somebody else has locked. */
const lockLimit = '200ms'

/**
 * The arrays come by sub-selects, so that the planner does not know how long they are: for long
 * ones it would read the whole table. The status is compared in a way that no index serves.
 */
const finish = prepare(
  'kiln_finish_jobs',
  `
  with limited as materialized (
    select set_config('lock_timeout', '${lockLimit}', true)
  ),
  finished as (
    update analysis_jobs job
    set status = coalesce(given.status, 'completed'),
      result = given.result::jsonb,
      error_code = given.error_code,
      error_message = given.error_message,
      error_stack = given.error_stack,
      logs = coalesce(given.logs, '{}')::text[],
      peak_memory_bytes = given.peak_memory_bytes,
      started_at = least(job.started_at + given.start_delay_ms * interval '1 millisecond', now()),
      completed_at = now(),
      execution_time_ms = given.duration_ms,
      lease_token = null,
      committing_at = null,
      holds_slot = false,
      ordinary_changes = ${nextOrdinaryChange}
    from limited
    cross join unnest(
      (select $1::uuid[]), (select $2::uuid[]), (select $3::text[]), (select $4::text[]),
      (select $5::text[]), (select $6::text[]), (select $7::text[]), (select $8::text[]),
      (select $9::bigint[]), (select $10::float8[]), (select $11::bigint[])
    ) as given (
      id, token, status, result, error_code, error_message, error_stack, logs, peak_memory_bytes,
      start_delay_ms, duration_ms
    )
    where job.id = given.id
      and job.lease_token = given.token
      and job.status = 'running'
    returning job.id, job.executor_id, job.status
  ),
  counted as (
    insert into analysis_counters as counter (executor_id, name, value)
    select coalesce(executor_id, '00000000-0000-0000-0000-000000000000'), 'jobs_' || status, count(*)
    from finished
    group by 1, 2
    order by 1, 2
    on conflict (executor_id, name) do update set value = counter.value + excluded.value
  ),
  ended as (
    delete from analysis_leases
    where token = any ((select $12::uuid[])::uuid[])
  )
  -- Nearly always it is all of them: there is no need to name each.
  select case
      when (select count(*) from finished) < cardinality($1::uuid[])
        then array(select id from finished)
    end as written
`,
)

/**
 * Writes the outcomes of jobs and the counters in one statement, each if its lease still holds.
 * Returns the ids of those that were written: any other was cancelled, or given to another executor,
 * and was not changed. `endedTokens` names claims none of whose jobs this executor still runs.
 *
 * @throws the driver's error 55P03 when somebody holds the lock of one of the rows: then none is
 * written, and `finishUnlockedJobs` writes the others.
 */
export async function finishJobs(
  queries: Queries,
  jobs: readonly FinishedJob[],
  endedTokens: readonly string[] = [],
): Promise<Set<string>> {
  const outcomes = jobs.map(({ outcome }) => outcome)
  const ids = jobs.map(({ lease }) => lease.jobId)
  const [row] = await runPrepared<{ written: readonly string[] | null }>(queries, finish, [
    uuidArray(ids),
    uuidArray(jobs.map(({ lease }) => lease.leaseToken)),
    // Arrays that are too short are filled up with null: most jobs complete, without a log.
    outcomes.some(({ status }) => status !== 'completed')
      ? textArray(outcomes.map(({ status }) => status))
      : none,
    textArray(outcomes.map(({ resultText }) => resultText)),
    ...(outcomes.some(({ error }) => error !== null)
      ? [
          textArray(outcomes.map(({ error }) => error?.code ?? null)),
          textArray(outcomes.map(({ error }) => error?.message ?? null)),
          textArray(outcomes.map(({ error }) => error?.stack ?? null)),
        ]
      : [none, none, none]),
    outcomes.some(({ logs }) => logs.length > 0)
      ? textArray(outcomes.map(({ logs }) => postgresArray(logs)))
      : none,
    outcomes.some(({ peakMemoryBytes }) => peakMemoryBytes !== null)
      ? int8Array(outcomes.map(({ peakMemoryBytes }) => peakMemoryBytes))
      : none8,
    float8Array(outcomes.map(({ startDelayMs }) => startDelayMs)),
    int8Array(outcomes.map(({ durationMs }) => Math.round(durationMs))),
    uuidArray(endedTokens),
  ])
  if (!row) throw new Error('outcomes were written, and nobody told which')
  return new Set(row.written ?? ids)
}

/** Writes the outcomes of those jobs whose rows nobody else has locked, and tells which have been. */
export async function finishUnlockedJobs(
  queries: Queries,
  jobs: readonly FinishedJob[],
): Promise<{ readonly written: ReadonlySet<string>; readonly locked: ReadonlySet<string> }> {
  return queries.transaction().execute(async (transaction) => {
    const ids = jobs.map(({ lease }) => lease.jobId)
    const { rows } = await sql<{ id: string; isFree: boolean }>`
      with free as (
        select id
        from analysis_jobs
        where id = any (${ids}::uuid[])
        for update skip locked
      )
      select id, id in (select id from free) as is_free
      from analysis_jobs
      where id = any (${ids}::uuid[])
    `.execute(transaction)
    const free = new Set(rows.filter(({ isFree }) => isFree).map(({ id }) => id))
    const locked = new Set(rows.filter(({ isFree }) => !isFree).map(({ id }) => id))
    const mine = jobs.filter(({ lease }) => free.has(lease.jobId))
    return { written: await finishJobs(transaction, mine), locked }
  })
}
