import { sql } from 'kysely'
import type { Queries } from '../database/index.ts'

/**
 * Returns the running jobs of an executor that stops: they are pending again, and the attempt does
 * not count against the job.
 */
export async function handBackJobs(queries: Queries, executorId: string): Promise<number> {
  const { rows } = await sql<{ count: number }>`
    with held as (
      select id, attempt, started_at, lease_token
      from analysis_jobs
      where executor_id = ${executorId}
        and status = 'running'
      for update
    ),
    returned as (
      update analysis_jobs job
      set status = 'pending', executor_id = null, lease_token = null, started_at = null,
        handed_back_count = job.handed_back_count + 1, progress = null, progress_message = null
      from held
      where job.id = held.id
      returning job.id
    ),
    attempt as (
      insert into analysis_job_attempts
        (job_id, number, executor_id, executor_label, started_at, outcome)
      select held.id, held.attempt, executor.id, executor.label, held.started_at, 'handed_back'
      from held
      join analysis_executors executor on executor.id = ${executorId}
    ),
    notified as (
      select pg_notify('kiln_jobs', '')
      where exists (select from returned)
    )
    select (select count(*) from returned)::integer as count, (select count(*) from notified)
  `.execute(queries)
  return rows[0]?.count ?? 0
}
