import { type Queries, prepare, runPrepared } from '../database/index.ts'
import type { Lease } from './finish-jobs.ts'
import { plainArray } from './postgres-array.ts'

export interface BeatReply {
  /** False: others declared this executor dead; its jobs are no longer its own. */
  readonly isAlive: boolean
  readonly isDraining: boolean
  /** Keys of the leases of ours that ended: cancelled, or given to another executor. */
  readonly endedLeases: readonly string[]
  /**
   * Jobs that the database thought we run and we do not; they are pending again. Those that were
   * inserted claimed have failed instead, and are not counted here.
   */
  readonly returnedJobs: number
  /** A due job waits for a limit or a slot. */
  readonly hasWaitingJobs: boolean
}

/** What an executor holds at a beat. */
export interface HeldLeases {
  readonly leases: readonly Lease[]
  /** Claims none of whose jobs it runs any more: their rows are deleted. */
  readonly endedTokens: readonly string[]
  /** Of a claim with this number or a higher one the executor may not know yet. */
  readonly claimsSettledBelow: number
}

const beat = prepare(
  'kiln_beat_executor',
  `
  with beat as (
    update analysis_executors
    set beat_at = now(), beat_count = beat_count + 1, suspected_at = null
    where id = $1
      and stopped_at is null
    returning is_draining
  ),
  held as (
    select *
    from unnest((select $2::uuid[]), (select $3::uuid[])) as held (job_id, token)
  ),
  running as (
    select job.id, job.lease_token
    from analysis_jobs job
    -- By id from an array, so that only the primary key serves.
    where job.id = any (array(
        select unnest(job_ids)
        from analysis_leases
        where executor_id = $1
          and token <> all ((select $4::uuid[])::uuid[])
      ))
      and job.executor_id = $1
      and job.status = 'running'
  ),
  unheard as (
    select id, lease_token
    from running
    where exists (select from beat)
      and not exists (
        select
        from held
        where held.job_id = running.id
          and held.token = running.lease_token
      )
      and not exists (
        select
        from analysis_leases lease
        where lease.token = running.lease_token
          and lease.claim_number >= $5
      )
  ),
  free as (
    -- A row that somebody has locked is left to the next beat: this one must not wait.
    select job.id, job.max_lost
    from analysis_jobs job
    where job.id = any (array(select id from unheard))
      and (job.lease_token is null or job.lease_token = any (array(select lease_token from unheard)))
      and job.executor_id = $1
      and job.status = 'running'
    for update skip locked
  ),
  returned as (
    -- The claim counted an attempt that never began, so it is taken back.
    update analysis_jobs job
    set status = 'pending', ready = true, executor_id = null, lease_token = null, started_at = null,
      attempt = greatest(job.attempt - 1, 0)
    where job.id = any (array(select id from free where max_lost > 0))
    returning job.id
  ),
  lost as (
    -- Whoever inserted it claimed has gone on without it, and must not find it run later.
    update analysis_jobs job
    set status = 'failed', lease_token = null, lost_count = least(job.lost_count + 1, 1000000000),
      error_code = 'executor_lost',
      error_message = 'its executor never learnt that it was to run this job',
      completed_at = now(),
      execution_time_ms = greatest(0, extract(epoch from now() - job.started_at) * 1000)::bigint
    where job.id = any (array(select id from free where max_lost = 0))
    returning job.id
  ),
  counted as (
    insert into analysis_counters as counter (executor_id, name, value)
    select $1, name, (select count(*) from lost)
    from unnest(array['jobs_failed', 'jobs_lost']) as name
    where exists (select from lost)
    on conflict (executor_id, name) do update set value = counter.value + excluded.value
  ),
  ended as (
    -- Nobody here knows of the others: whatever they name has just been returned, or is locked.
    delete from analysis_leases lease
    where lease.token = any ((select $4::uuid[])::uuid[])
      or (
        lease.executor_id = $1
        and lease.claim_number < $5
        and lease.token <> all ((select $3::uuid[])::uuid[])
        and exists (select from beat)
        and not exists (
          select
          from unheard
          where unheard.id = any (lease.job_ids)
            and unheard.id not in (select id from free)
        )
      )
  )
  select
    exists (select from beat) as "isAlive",
    coalesce((select is_draining from beat), false) as "isDraining",
    array(
      select held.job_id || ' ' || held.token
      from held
      where not exists (
        select
        from running
        where running.id = held.job_id
          and running.lease_token = held.token
      )
    ) as "endedLeases",
    (select count(*) from returned)::integer as "returnedJobs",
    (
      -- The first by its index, and not whether there is one: without statistics the planner would
      -- expect to find one soon by reading the table.
      select run_at
      from analysis_jobs
      where not ready
        and waiting_reason is not null
        and run_at <= now()
      order by run_at
      limit 1
    ) is not null as "hasWaitingJobs"
`,
)

/**
 * One heartbeat: refreshes the executor's row in database time, learns which of its leases ended,
 * and returns jobs whose claim was committed while the reply was lost. Leases of claims that it
 * cannot know of are left alone, also when the server gets to it late.
 */
export async function beatExecutor(
  queries: Queries,
  executorId: string,
  { leases, endedTokens, claimsSettledBelow }: HeldLeases,
): Promise<BeatReply> {
  const [reply] = await runPrepared<BeatReply>(queries, beat, [
    executorId,
    plainArray(leases.map(({ jobId }) => jobId)),
    plainArray(leases.map(({ leaseToken }) => leaseToken)),
    plainArray(endedTokens),
    claimsSettledBelow,
  ])
  if (!reply) throw new Error('the heartbeat returned no row')
  return reply
}
