import { type Queries, prepare, runPrepared } from '../database/index.ts'
import type { Lease } from './finish-jobs.ts'
import { plainArray } from './postgres-array.ts'

export interface BeatReply {
  /** False: others declared this executor dead; its jobs are no longer its own. */
  readonly isAlive: boolean
  readonly isDraining: boolean
  /** Keys of the leases of ours that ended: cancelled, or given to another executor. */
  readonly endedLeases: readonly string[]
  /** Jobs that the database thought we run and we do not; they are pending again. */
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
  suspected as (
    select running.id, running.lease_token
    from running
    join analysis_leases lease on lease.token = running.lease_token
    where lease.claim_number < $5
      and exists (select from beat)
      and not exists (
        select
        from held
        where held.job_id = running.id
          and held.token = running.lease_token
      )
  ),
  unknown as (
    -- A row that somebody has locked is left to the next beat: this one must not wait.
    select job.id
    from analysis_jobs job
    where job.id = any (array(select id from suspected))
      and job.lease_token = any (array(select lease_token from suspected))
      and job.executor_id = $1
      and job.status = 'running'
    for update skip locked
  ),
  returned as (
    -- The claim counted an attempt that never began, so it is taken back.
    update analysis_jobs job
    set status = 'pending', ready = true, executor_id = null, lease_token = null, started_at = null,
      attempt = job.attempt - 1
    where job.id = any (array(select id from unknown))
    returning job.id
  ),
  ended as (
    delete from analysis_leases
    where token = any ((select $4::uuid[])::uuid[])
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
    exists (
      select
      from analysis_jobs
      where not ready
        and waiting_reason is not null
        and run_at <= now()
    ) as "hasWaitingJobs"
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
