import { sql } from 'kysely'
import type { Queries } from '../database/index.ts'
import type { Lease } from './finish-jobs.ts'

/** A job that died, or lost sight of this database, while its project's database committed. */
export interface CommittingJob extends Lease {
  readonly projectId: string
  /** Null when somebody has set it so. */
  readonly executorId: string | null
}

/**
 * Marks a job as committing, if its lease still holds: from here on nobody may cancel, rescue or end
 * it who has not looked into its project's database. Safe to repeat.
 */
export async function markCommitting(queries: Queries, lease: Lease): Promise<boolean> {
  const { rows } = await sql`
    update analysis_jobs
    set committing_at = coalesce(committing_at, now())
    where id = ${lease.jobId}
      and lease_token = ${lease.leaseToken}
      and status = 'running'
    returning id
  `.execute(queries)
  return rows.length > 0
}

/**
 * Takes the mark away: nothing was committed, and nothing will be. The job has a lease again, by which
 * a rescue finds it if its executor is dead. Safe to repeat; false when the lease no longer holds.
 */
export async function clearCommitting(queries: Queries, lease: Lease): Promise<boolean> {
  const { rows } = await sql`
    with cleared as (
      update analysis_jobs
      set committing_at = null
      where id = ${lease.jobId}
        and lease_token = ${lease.leaseToken}
        and status = 'running'
      returning id, executor_id, lease_token
    ),
    leased as (
      insert into analysis_leases (token, executor_id, job_ids)
      select cleared.lease_token, executor.id, array[cleared.id]
      from cleared
      left join analysis_executors executor on executor.id = cleared.executor_id
      on conflict (token) do update
      set job_ids = case
        when analysis_leases.job_ids @> excluded.job_ids then analysis_leases.job_ids
        else analysis_leases.job_ids || excluded.job_ids
      end
    )
    select id
    from cleared
  `.execute(queries)
  return rows.length > 0
}

/**
 * Jobs left committing by executors that are gone, whose project's database is in this data folder, or
 * nowhere.
 */
export async function findCommittingJobs(
  queries: Queries,
  dataFolderId: string,
): Promise<CommittingJob[]> {
  const { rows } = await sql<CommittingJob>`
    select job.id as job_id, job.lease_token, job.executor_id, analysis.project_id
    from analysis_jobs job
    join analyses analysis on analysis.id = job.analysis_id
    join projects project on project.id = analysis.project_id
    left join analysis_executors executor on executor.id = job.executor_id
    where job.committing_at is not null
      and job.status = 'running'
      -- A project without a home has no database, and nothing was committed.
      and (project.home_folder = ${dataFolderId} or project.home_folder is null)
      and (executor.id is null or executor.stopped_at is not null)
    order by job.committing_at
  `.execute(queries)
  return rows
}
