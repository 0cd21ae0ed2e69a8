import { sql } from 'kysely'
import type { Context } from '../context.ts'
import type { Queries } from '../database/index.ts'

export interface Aggregation {
  /** First and last day that was looked at, `YYYY-MM-DD` in UTC; null when there are no jobs. */
  readonly from: string | null
  readonly to: string | null
  /** Rows written: one for each analysis and day. */
  readonly rows: number
}

/** Jobs may end, and be added by hand, so much later than the day of their creation. */
const settledAfterDays = 7

/**
 * Brings the daily figures of jobs up to yesterday: all days since the last that has figures, and
 * the week before it anew, since jobs end late. What cleanup has deleted meanwhile does not lower
 * them. A day is one statement, so it can be interrupted and goes on from there. Safe to repeat.
 */
export async function aggregateJobs({
  database,
  signal,
}: Pick<Context, 'database' | 'signal'>): Promise<Aggregation> {
  const days = await daysToTake(database.queries)
  let rows = 0
  for (const day of days) {
    signal.throwIfAborted()
    rows += await aggregateDay(database.queries, day)
  }
  return { from: days[0] ?? null, to: days.at(-1) ?? null, rows }
}

async function daysToTake(queries: Queries): Promise<readonly string[]> {
  const { rows } = await sql<{ day: string }>`
    with known as (
      select
        (select min(created_at) at time zone 'UTC' from analysis_jobs)::date as first_job,
        (select max(day) from analysis_job_statistics) - ${settledAfterDays}::integer as unsettled
    )
    select to_char(day, 'YYYY-MM-DD') as day
    from known
    cross join generate_series(
      greatest(known.first_job, known.unsettled)::timestamp,
      (now() at time zone 'UTC')::date - interval '1 day',
      interval '1 day'
    ) as day
    order by day
  `.execute(queries)
  return rows.map(({ day }) => day)
}

async function aggregateDay(queries: Queries, day: string): Promise<number> {
  const { numAffectedRows = 0n } = await sql`
    with job as (
      select analysis_id, status, started_at,
        case when status in ('completed', 'failed') then execution_time_ms end as duration_ms,
        extract(epoch from started_at - greatest(nullif(run_at, 'infinity'), created_at)) * 1000
          as wait_ms
      from analysis_jobs
      where created_at >= ${day}::date::timestamp at time zone 'UTC'
        and created_at < (${day}::date + 1)::timestamp at time zone 'UTC'
    )
    insert into analysis_job_statistics as known
      (day, analysis_id, jobs, completed, failed, cancelled, duration_p50_ms, duration_p95_ms,
        wait_p50_ms, wait_p95_ms)
    select ${day}::date, analysis_id, count(*),
      count(*) filter (where status = 'completed'),
      count(*) filter (where status = 'failed'),
      count(*) filter (where status = 'cancelled'),
      round(percentile_cont(0.5) within group (order by duration_ms)),
      round(percentile_cont(0.95) within group (order by duration_ms)),
      round(percentile_cont(0.5) within group (order by wait_ms)),
      round(percentile_cont(0.95) within group (order by wait_ms))
    from job
    group by analysis_id
    on conflict (day, analysis_id) do update
    set jobs = excluded.jobs,
      completed = excluded.completed,
      failed = excluded.failed,
      cancelled = excluded.cancelled,
      duration_p50_ms = excluded.duration_p50_ms,
      duration_p95_ms = excluded.duration_p95_ms,
      wait_p50_ms = excluded.wait_p50_ms,
      wait_p95_ms = excluded.wait_p95_ms,
      updated_at = now()
    -- Jobs that were deleted since stay counted.
    where excluded.jobs >= known.jobs
  `.execute(queries)
  return Number(numAffectedRows)
}
