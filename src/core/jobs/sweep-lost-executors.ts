import { sql } from 'kysely'
import type { Queries } from '../database/index.ts'
import { type ProcessIdentity, currentProcessIdentity, isProvablyGone } from '../os/index.ts'
import { type Rescue, rescueJobs } from './rescue-jobs.ts'

/** A heartbeat that stands still this long, watched without interruption, means death. */
export const deadAfterMs = 8000

/** A healthy executor beats every 2 s; later than this it has missed one. */
const missedBeatMs = 2500

interface Suspect {
  readonly id: string
  readonly beatCount: number
  readonly processIdentity: ProcessIdentity
  /** It signed off; a job it still holds is one whose end it could not write. */
  readonly isRetired: boolean
  /** Another command saw this very beat at least `deadAfterMs` ago, and the server ran since. */
  readonly isConfirmed: boolean
}

/**
 * Finds executors that died with jobs in hand, and rescues those jobs. Called first by every
 * command that reads or writes jobs. A process of this machine that is gone is certain at once.
 * One of another machine needs two looks, at least 8 s apart, that see the same heartbeat: after an
 * outage of the database all heartbeats are old, and none of them is dead.
 */
export async function sweepLostExecutors(queries: Queries): Promise<Rescue> {
  const suspects = await findSuspects(queries)
  const self = suspects.length > 0 ? currentProcessIdentity() : undefined
  const total = { pending: 0, failed: 0 }
  for (const suspect of suspects) {
    if (suspect.isRetired || suspect.isConfirmed || isProvablyGone(suspect.processIdentity, self)) {
      const { pending, failed } = await rescueJobs(queries, suspect.id, suspect.beatCount)
      total.pending += pending
      total.failed += failed
    } else {
      await noteSuspicion(queries, suspect)
    }
  }
  return total
}

async function findSuspects(queries: Queries): Promise<Suspect[]> {
  // A healthy executor beats every 2 s; looking at those that missed one keeps the sweep cheap,
  // and one of this machine that died a moment ago is found by its next look.
  const { rows } = await sql<Suspect>`
    select executor.id, executor.beat_count, executor.process_identity,
      executor.stopped_at is not null as is_retired,
      executor.suspected_beat_count = executor.beat_count
        and executor.suspected_at < now() - make_interval(secs => ${deadAfterMs / 1000})
        and executor.suspected_at > pg_postmaster_start_time() as is_confirmed
    from analysis_executors executor
    where executor.id in (
      select executor_id from analysis_leases
    )
  `.execute(queries)
  return rows
}

async function noteSuspicion(queries: Queries, suspect: Suspect): Promise<void> {
  await sql`
    update analysis_executors
    set suspected_beat_count = beat_count, suspected_at = now()
    where id = ${suspect.id}
      and beat_count = ${suspect.beatCount}
      and beat_at < now() - make_interval(secs => ${missedBeatMs / 1000})
      and (suspected_at is null or suspected_beat_count is distinct from beat_count
        or suspected_at < pg_postmaster_start_time())
  `.execute(queries)
}
