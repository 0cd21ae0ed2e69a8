import { type RawBuilder, sql } from 'kysely'
import { type JobStatus, finalStatuses } from './job.ts'

/**
 * Which rows of `analysis_jobs` have one of these statuses. No index names the status, since each end
 * of a job would have to write to it; but what has not ended is named elsewhere, so that a list of the
 * running jobs does not read a million others: those that run by leases, those that are due by the
 * queue, and the others wait for a reason.
 */
export function hasStatus(statuses: readonly JobStatus[]): RawBuilder<boolean> {
  const isAmong = sql<boolean>`analysis_jobs.status = any (${statuses}::text[])`
  if (statuses.some((status) => finalStatuses.includes(status))) return isAmong
  const named = statuses.map((status) =>
    status === 'running'
      ? sql`select unnest(job_ids) from analysis_leases`
      : sql`select job_id from analysis_job_queue
          union all
          select waiting.id from analysis_jobs waiting where waiting.waiting_reason is not null`,
  )
  return sql<boolean>`(
    ${isAmong} and analysis_jobs.id in (${sql.join(named, sql` union all `)})
  )`
}
