import { type RawBuilder, sql } from 'kysely'
import type { Queries } from '../database/index.ts'

/** What became of the jobs of an executor that was declared dead. */
export interface Rescue {
  readonly pending: number
  readonly failed: number
  /** Left to the next rescue, since another session has locked their rows. */
  readonly locked: number
}

/**
 * Declares an executor dead, if its heartbeat still stands where the caller saw it, and ends its
 * leases: each job goes back to pending while it may be lost again and has attempts left, else it
 * fails with `executor_lost`. One statement, so that two rescuers do it once. Nothing happens when
 * the executor has beaten meanwhile. One that has signed off holds no job: what it still holds is
 * rescued too. A job whose row somebody else has locked keeps its lease and waits for the next
 * rescue: neither the others nor the caller wait for it.
 */
export function rescueJobs(
  queries: Queries,
  executorId: string,
  seenBeatCount: number,
): Promise<Rescue> {
  return endLost(
    queries,
    sql`
      dead as (
        update analysis_executors
        set stopped_at = coalesce(stopped_at, now())
        where id = (
            select id
            from analysis_executors
            where id = ${executorId}
              and (stopped_at is not null or beat_count = ${seenBeatCount})
            for no key update skip locked
          )
        returning id, label
      ),
      held as (
        select token, job_ids
        from analysis_leases
        where executor_id in (select id from dead)
      ),
      lost as (
        select ${lostColumns}, dead.label, 'the executor ' || dead.label || ' died while it ran this job'
            as message
        from analysis_jobs job
        join dead on dead.id = job.executor_id
        where job.id = any (array(select unnest(job_ids) from held))
          and ${isUnfinished}
        for update of job skip locked
      ),
      ended as (
        delete from analysis_leases lease
        where token in (select token from held)
          and not exists (${leftOf(sql`lease.job_ids`, ofTheDead)})
      ),
      left_over as (${leftOf(sql`array(select unnest(job_ids) from held)`, ofTheDead)})
    `,
  )
}

/**
 * Ends the leases that belong to no executor, in the same way: of jobs that were set to running by
 * SQL, and of executors whose row was deleted. A job that an executor has claimed since is its own.
 */
export function rescueUnownedJobs(queries: Queries): Promise<Rescue> {
  return endLost(
    queries,
    sql`
      unowned as (
        select token, job_ids
        from analysis_leases
        where executor_id is null
      ),
      lost as (
        select ${lostColumns}, null as label, 'no executor runs this job' as message
        from analysis_jobs job
        where job.id = any (array(select unnest(job_ids) from unowned))
          and ${isUnfinished}
          and ${hasNoExecutor}
        for update of job skip locked
      ),
      ended as (
        delete from analysis_leases lease
        using unowned
        where lease.token = unowned.token
          -- A job may have joined it since.
          and lease.job_ids = unowned.job_ids
          and not exists (${leftOf(sql`lease.job_ids`, hasNoExecutor)})
      ),
      left_over as (${leftOf(sql`array(select unnest(job_ids) from unowned)`, hasNoExecutor)})
    `,
  )
}

/** Attempts that were handed back do not count: nobody is to blame for them. */
const lostColumns = sql`
  job.id, job.attempt, job.executor_id, job.started_at,
  job.lost_count < job.max_lost
    and (job.max_attempts is null or job.attempt - job.handed_back_count < job.max_attempts)
    as may_run_again
`

/** Whether one that is committing has completed is known to its project's database only. */
const isUnfinished = sql`job.status = 'running' and job.committing_at is null`

const hasNoExecutor = sql`
  not exists (
    select
    from analysis_executors executor
    where executor.id = job.executor_id
  )
`

const ofTheDead = sql`job.executor_id in (select id from dead)`

/** Of the named jobs that this rescue is for, those that are not in `lost`: their rows are locked. */
const leftOf = (
  jobIds: RawBuilder<unknown>,
  isMine: RawBuilder<unknown>,
): RawBuilder<unknown> => sql`
  select job.id
  from analysis_jobs job
  where job.id = any (${jobIds})
    and ${isUnfinished}
    and ${isMine}
    and job.id not in (select id from lost)
`

/** Ends the attempts of `lost`. Counts that somebody has set by SQL may be at their greatest. */
async function endLost(queries: Queries, lost: RawBuilder<unknown>): Promise<Rescue> {
  const { rows } = await sql<Rescue>`
    with ${lost},
    changed as (
      update analysis_jobs job
      set status = case when lost.may_run_again then 'pending' else 'failed' end,
        ready = lost.may_run_again,
        lost_count = least(job.lost_count + 1, 1000000000),
        lease_token = null,
        executor_id = case when lost.may_run_again then null else job.executor_id end,
        started_at = case when lost.may_run_again then null else job.started_at end,
        progress = null,
        progress_message = null,
        error_code = case when lost.may_run_again then null else 'executor_lost' end,
        error_message = case when lost.may_run_again then null else lost.message end,
        completed_at = case when lost.may_run_again then null else now() end,
        execution_time_ms = case
          when lost.may_run_again then null
          else greatest(0, extract(epoch from now() - job.started_at) * 1000)::bigint
        end
      from lost
      where job.id = lost.id
      returning lost.may_run_again
    ),
    attempt as (
      insert into analysis_job_past_attempts
        (job_id, number, executor_id, executor_label, started_at, outcome, error_code)
      select id, attempt, executor_id, label, started_at, 'lost', 'executor_lost'
      from lost
      where may_run_again
      -- Who sets attempt back by SQL makes its numbers come again; the first of each stands.
      on conflict (job_id, number) do nothing
    ),
    counted as (
      insert into analysis_counters as counter (executor_id, name, value)
      select coalesce(executor_id, '00000000-0000-0000-0000-000000000000'), name, sum(amount)
      from (
        select executor_id, 'jobs_lost' as name, 1 as amount from lost
        union all
        select executor_id, 'jobs_failed', 1 from lost where not may_run_again
      ) as amounts
      group by 1, 2
      order by 1, 2
      on conflict (executor_id, name) do update set value = counter.value + excluded.value
    ),
    notified as (
      select pg_notify('kiln_jobs', '')
      where exists (select from changed where may_run_again)
    )
    select count(*) filter (where may_run_again)::integer as pending,
      count(*) filter (where not may_run_again)::integer as failed,
      (select count(*) from left_over)::integer as locked,
      (select count(*) from notified) as notified
    from changed
  `.execute(queries)
  const [{ pending, failed, locked } = { pending: 0, failed: 0, locked: 0 }] = rows
  return { pending, failed, locked }
}
