import { sql } from 'kysely'
import type { Queries } from '../database/index.ts'

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
}

/** Names the lease a write belongs to. */
export interface Lease {
  readonly jobId: string
  readonly leaseToken: string
}

/**
 * Writes the outcome of a job, its attempt and the counters in one statement, if the lease still
 * holds. False means that it does not: the job was cancelled, or given to another executor, and
 * nothing was changed.
 */
export async function finishJob(
  queries: Queries,
  lease: Lease,
  outcome: JobOutcome,
): Promise<boolean> {
  const counter = outcome.status === 'completed' ? 'jobs_completed' : 'jobs_failed'
  const { rows } = await sql`
    with finished as (
      update analysis_jobs
      set status = ${outcome.status},
        result = ${outcome.resultText}::jsonb,
        error_code = ${outcome.error?.code ?? null},
        error_message = ${outcome.error?.message ?? null},
        error_stack = ${outcome.error?.stack ?? null},
        logs = ${outcome.logs as string[]},
        peak_memory_bytes = ${outcome.peakMemoryBytes},
        completed_at = now(),
        execution_time_ms = greatest(0, extract(epoch from now() - started_at) * 1000)::bigint,
        lease_token = null
      where id = ${lease.jobId}
        and lease_token = ${lease.leaseToken}
        and status = 'running'
      returning id, attempt, executor_id, started_at, completed_at, error_code, error_message
    ),
    attempt as (
      insert into analysis_job_attempts
        (job_id, number, executor_id, executor_label, started_at, finished_at, outcome,
          error_code, error_message)
      select finished.id, finished.attempt, finished.executor_id, executor.label,
        finished.started_at, finished.completed_at, ${outcome.status},
        finished.error_code, finished.error_message
      from finished
      left join analysis_executors executor on executor.id = finished.executor_id
    ),
    counted as (
      insert into analysis_counters as counter (executor_id, name, value)
      select coalesce(executor_id, '00000000-0000-0000-0000-000000000000'), ${counter}, count(*)
      from finished
      group by executor_id
      on conflict (executor_id, name) do update set value = counter.value + excluded.value
    )
    select id
    from finished
  `.execute(queries)
  return rows.length === 1
}

/**
 * Adds what the lease holder knows to a job that was cancelled while it ran: log lines and memory.
 * Once: the lease token is cleared by it.
 */
export async function completeCancelledJob(
  queries: Queries,
  lease: Lease,
  known: Pick<JobOutcome, 'logs' | 'peakMemoryBytes'>,
): Promise<void> {
  await sql`
    update analysis_jobs
    set logs = ${known.logs as string[]},
      peak_memory_bytes = ${known.peakMemoryBytes},
      lease_token = null
    where id = ${lease.jobId}
      and lease_token = ${lease.leaseToken}
      and status = 'cancelled'
  `.execute(queries)
}
