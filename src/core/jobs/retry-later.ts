import { type RawBuilder, sql } from 'kysely'
import type { Queries } from '../database/index.ts'
import type { JobError, Lease } from './finish-jobs.ts'

/**
 * Ends a failed attempt whose analysis asks for another: the job is pending again and due after the
 * delay, in one statement, if the lease still holds. False means that it does not, and nothing was
 * changed.
 */
export function retryLater(
  queries: Queries,
  lease: Lease,
  error: JobError,
  delayMs: number,
): Promise<boolean> {
  return endAttempt(queries, lease, error, delayMs, {
    outcome: 'failed',
    counter: 'jobs_retried',
    condition: sql`true`,
    lost: sql`job.lost_count`,
  })
}

/**
 * The same for an attempt that the job is not to blame for, as when its executor died: it counts as
 * lost. False also when the job may be lost no more.
 */
export function returnLost(
  queries: Queries,
  lease: Lease,
  error: JobError,
  delayMs: number,
): Promise<boolean> {
  return endAttempt(queries, lease, error, delayMs, {
    outcome: 'lost',
    counter: 'jobs_lost',
    condition: sql`lost_count < max_lost
      and (max_attempts is null or attempt - handed_back_count < max_attempts)`,
    lost: sql`least(job.lost_count + 1, 1000000000)`,
  })
}

interface Attempt {
  readonly outcome: 'failed' | 'lost'
  readonly counter: string
  /** Of the job, that it may run again. */
  readonly condition: RawBuilder<unknown>
  readonly lost: RawBuilder<unknown>
}

async function endAttempt(
  queries: Queries,
  lease: Lease,
  error: JobError,
  delayMs: number,
  { outcome, counter, condition, lost }: Attempt,
): Promise<boolean> {
  const { rows } = await sql`
    with held as (
      select id, attempt, executor_id, started_at
      from analysis_jobs
      where id = ${lease.jobId}
        and lease_token = ${lease.leaseToken}
        and status = 'running'
        and ${condition}
      for update
    ),
    returned as (
      update analysis_jobs job
      set status = 'pending',
        ready = true,
        run_at = now() + make_interval(secs => ${delayMs / 1000}),
        waiting_reason = 'retry after ' || ${error.code}::text,
        executor_id = null,
        lease_token = null,
        started_at = null,
        lost_count = ${lost},
        progress = null,
        progress_message = null
      from held
      where job.id = held.id
      returning job.id
    ),
    attempt as (
      insert into analysis_job_past_attempts
        (job_id, number, executor_id, executor_label, started_at, outcome, error_code, error_message)
      select held.id, held.attempt, held.executor_id, executor.label, held.started_at, ${outcome},
        ${error.code}, ${error.message}
      from held
      left join analysis_executors executor on executor.id = held.executor_id
      -- Who sets attempt back by SQL makes its numbers come again; the first of each stands.
      on conflict (job_id, number) do nothing
    ),
    counted as (
      insert into analysis_counters as counter (executor_id, name, value)
      select coalesce(executor_id, '00000000-0000-0000-0000-000000000000'), ${counter}, 1
      from held
      on conflict (executor_id, name) do update set value = counter.value + excluded.value
    )
    select id
    from returned
  `.execute(queries)
  return rows.length === 1
}
