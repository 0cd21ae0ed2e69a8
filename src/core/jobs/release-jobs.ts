import { sql } from 'kysely'
import type { Queries } from '../database/index.ts'
import type { Lease } from './finish-jobs.ts'

/**
 * Returns jobs that were claimed ahead and not begun: they are pending again, and the attempt that
 * the claim counted is taken back. Those whose lease has ended are left alone. Returns how many were
 * returned.
 */
export async function releaseJobs(queries: Queries, leases: readonly Lease[]): Promise<number> {
  const { rows } = await sql<{ count: number }>`
    with ours as (
      select job.id
      from analysis_jobs job
      join unnest(
        ${leases.map(({ jobId }) => jobId)}::uuid[],
        ${leases.map(({ leaseToken }) => leaseToken)}::uuid[]
      ) as given (id, token) on job.id = given.id
      where job.lease_token = given.token
        and job.status = 'running'
      -- In the order of cancels.
      order by job.id
      for no key update of job
    ),
    returned as (
      update analysis_jobs job
      set status = 'pending', ready = true, executor_id = null, lease_token = null,
        started_at = null, attempt = greatest(job.attempt - 1, 0)
      from ours
      where job.id = ours.id
      returning job.id
    ),
    notified as (
      select pg_notify('kiln_jobs', '')
      where exists (select from returned)
    )
    select (select count(*) from returned)::integer as count,
      (select count(*) from notified) as notified
  `.execute(queries)
  return rows[0]?.count ?? 0
}
