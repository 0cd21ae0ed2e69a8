import { sql } from 'kysely'
import type { Queries } from '../database/index.ts'

/**
 * Returns the running jobs of an executor that stops: they are pending again, and the attempt does
 * not count against the job. Children are cancelled: their parents make new ones when they run
 * again. One whose row somebody else has locked keeps the others waiting for nothing: it is found as
 * lost when its executor has signed off.
 */
export async function handBackJobs(queries: Queries, executorId: string): Promise<number> {
  const { rows } = await sql<{ count: number }>`
    with held as (
      select id, attempt, started_at, parent_job_id
      from analysis_jobs
      where id = any (array(
          select unnest(job_ids)
          from analysis_leases
          where executor_id = ${executorId}
        ))
        and executor_id = ${executorId}
        and status = 'running'
      for update skip locked
    ),
    cancelled as (
      update analysis_jobs job
      set status = 'cancelled', error_message = 'the parent job was handed back'
      from held
      where job.id = held.id
        and held.parent_job_id in (select id from held)
      returning job.id
    ),
    returned as (
      update analysis_jobs job
      set status = 'pending', ready = true, executor_id = null, lease_token = null, started_at = null,
        handed_back_count = least(job.handed_back_count + 1, 1000000000), progress = null, progress_message = null
      from held
      where job.id = held.id
        and job.id not in (select id from cancelled)
      returning job.id
    ),
    attempt as (
      insert into analysis_job_past_attempts
        (job_id, number, executor_id, executor_label, started_at, outcome)
      select held.id, held.attempt, executor.id, executor.label, held.started_at, 'handed_back'
      from held
      join returned on returned.id = held.id
      join analysis_executors executor on executor.id = ${executorId}
      -- Who sets attempt back by SQL makes its numbers come again; the first of each stands.
      on conflict (job_id, number) do nothing
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
