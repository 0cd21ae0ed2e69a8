import { sql } from 'kysely'
import type { Context } from '../context.ts'
import { type Queries, isConnectionLost } from '../database/index.ts'
import { messageOf } from '../errors/index.ts'
import { type ProcessIdentity, currentProcessIdentity, isProvablyGone } from '../os/index.ts'
import { type Rescue, rescueJobs, rescueUnownedJobs } from './rescue-jobs.ts'

/** A heartbeat that stands still this long, watched without interruption, means death. */
export const deadAfterMs = 8000

/** A healthy executor beats every 2 s; later than this it has missed one. */
const missedBeatMs = 2500

/** What a sweep came to. */
export interface Sweep extends Omit<Rescue, 'locked'> {
  /** What it could not do, one sentence each; the caller says so and goes on. */
  readonly problems: readonly string[]
}

interface Suspect {
  readonly id: string
  readonly label: string
  readonly beatCount: number
  readonly processIdentity: ProcessIdentity
  /** It signed off; a job it still holds is one whose end it could not write. */
  readonly isRetired: boolean
  /** Another command saw this very beat at least `deadAfterMs` ago, and the server ran since. */
  readonly isConfirmed: boolean
}

/** Leases that belong to no executor. */
interface Nobody {
  readonly id: null
}

/**
 * Finds executors that died with jobs in hand, and rescues those jobs. Called first by every
 * command that reads or writes jobs. A process of this machine that is gone is certain at once.
 * One of another machine needs two looks, at least 8 s apart, that see the same heartbeat: after an
 * outage of the database all heartbeats are old, and none of them is dead.
 *
 * Each executor by itself: what fails for one is a problem of the answer, and holds up neither the
 * others nor the caller. Rejects only when the database cannot be reached.
 */
export async function sweepLostExecutors(queries: Queries): Promise<Sweep> {
  const problems: string[] = []
  const attempt = async <T>(what: string, instead: T, work: () => Promise<T>): Promise<T> => {
    try {
      return await inSavepoint(queries, work)
    } catch (error) {
      if (isConnectionLost(error)) throw error
      problems.push(`${what}: ${messageOf(error)}`)
      return instead
    }
  }
  const none: Rescue = { pending: 0, failed: 0, locked: 0 }
  const total = { pending: 0, failed: 0 }
  const suspects = await attempt('cannot look for dead executors', [], () => findSuspects(queries))
  const self = suspects.length > 0 ? currentProcessIdentity() : undefined
  for (const suspect of suspects) {
    const what = suspect.id === null ? unownedProblem : problemOf(suspect.label)
    const { pending, failed, locked } = await attempt(what, none, () =>
      suspect.id === null ? rescueUnownedJobs(queries) : judge(queries, suspect, self),
    )
    total.pending += pending
    total.failed += failed
    if (locked > 0) problems.push(`${what}: ${lockedText(locked)}`)
  }
  return { ...total, problems }
}

/** In a transaction of the caller, what fails undoes itself and not what went before. */
async function inSavepoint<T>(queries: Queries, work: () => Promise<T>): Promise<T> {
  if (!queries.isTransaction) return work()
  await sql`savepoint kiln_attempt`.execute(queries)
  try {
    return await work()
  } catch (error) {
    await sql`rollback to savepoint kiln_attempt`.execute(queries)
    throw error
  }
}

/**
 * The same for whoever goes on whatever comes of it: problems are logged. Where nothing is to be
 * written it is left to services.
 */
export async function sweepInPassing({
  database,
  log,
}: Pick<Context, 'database' | 'log'>): Promise<void> {
  if (database.target.isReadOnly) return
  const { problems } = await sweepLostExecutors(database.queries)
  for (const problem of problems) log.warn({}, problem)
}

/** What is said when the jobs of an executor cannot be rescued. */
export const problemOf = (label: string): string => `cannot rescue the jobs of executor ${label}`

/** Why some jobs are left to the next look. */
export const lockedText = (count: number): string =>
  `another session has locked ${count === 1 ? 'the row of one' : `the rows of ${count}`} of them`

export const unownedProblem = 'cannot rescue the jobs that no executor runs'

async function judge(
  queries: Queries,
  suspect: Suspect,
  self: ProcessIdentity | undefined,
): Promise<Rescue> {
  if (suspect.isRetired || suspect.isConfirmed || isProvablyGone(suspect.processIdentity, self)) {
    return rescueJobs(queries, suspect.id, suspect.beatCount)
  }
  await noteSuspicion(queries, suspect)
  return { pending: 0, failed: 0, locked: 0 }
}

async function findSuspects(queries: Queries): Promise<(Suspect | Nobody)[]> {
  // A healthy executor beats every 2 s; looking at those that missed one keeps the sweep cheap,
  // and one of this machine that died a moment ago is found by its next look.
  const { rows } = await sql<Suspect | Nobody>`
    select executor.id, executor.label, executor.beat_count, executor.process_identity,
      executor.stopped_at is not null as is_retired,
      executor.suspected_beat_count = executor.beat_count
        and executor.suspected_at < now() - make_interval(secs => ${deadAfterMs / 1000})
        and executor.suspected_at > pg_postmaster_start_time() as is_confirmed
    from (select distinct executor_id from analysis_leases) as holder
    left join analysis_executors executor on executor.id = holder.executor_id
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
