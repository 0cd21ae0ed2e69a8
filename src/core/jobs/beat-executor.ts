import { sql } from 'kysely'
import type { Queries } from '../database/index.ts'

export interface BeatReply {
  /** False: others declared this executor dead; its jobs are no longer its own. */
  readonly isAlive: boolean
  readonly isDraining: boolean
  /** Leases of ours that ended: cancelled, or given to another executor. */
  readonly endedLeases: readonly string[]
  /** Jobs that the database thought we run and we do not; they are pending again. */
  readonly returnedJobs: number
}

/**
 * One heartbeat: refreshes the executor's row in database time, learns which of its leases ended,
 * and returns jobs whose claim was committed while the reply was lost. Never call it while a claim
 * of the same executor is under way: the claim's jobs would not be among the leases yet.
 */
export async function beatExecutor(
  queries: Queries,
  executorId: string,
  leases: readonly string[],
): Promise<BeatReply> {
  const held = sql`${`{${leases.join(',')}}`}::uuid[]`
  const { rows } = await sql<{
    isAlive: boolean
    isDraining: boolean
    endedLeases: string[]
    returnedJobs: number
  }>`
    with beat as (
      update analysis_executors
      set beat_at = now(), beat_count = beat_count + 1, suspected_at = null
      where id = ${executorId}
        and stopped_at is null
      returning is_draining
    ),
    running as (
      select id, lease_token
      from analysis_jobs
      where executor_id = ${executorId}
        and status = 'running'
    ),
    returned as (
      -- The claim counted an attempt that never began, so it is taken back.
      update analysis_jobs job
      set status = 'pending', executor_id = null, lease_token = null, started_at = null,
        attempt = job.attempt - 1
      from running
      where job.id = running.id
        and job.status = 'running'
        and job.lease_token = running.lease_token
        and running.lease_token <> all (${held})
        and exists (select from beat)
      returning job.id
    )
    select
      exists (select from beat) as is_alive,
      coalesce((select is_draining from beat), false) as is_draining,
      array(
        select held.lease_token::text
        from unnest(${held}) as held (lease_token)
        where held.lease_token not in (select lease_token from running where lease_token is not null)
      ) as ended_leases,
      (select count(*) from returned)::integer as returned_jobs
  `.execute(queries)
  return rows[0] ?? { isAlive: false, isDraining: false, endedLeases: leases, returnedJobs: 0 }
}
