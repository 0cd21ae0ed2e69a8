import { sql } from 'kysely'
import { type Database, type Queries, isConnectionLost, promptQueries } from '../database/index.ts'
import { messageOf } from '../errors/index.ts'
import {
  type Clock,
  type ProcessIdentity,
  currentProcessIdentity,
  isProvablyGone,
} from '../os/index.ts'
import { type Rescue, rescueJobs, rescueUnownedJobs } from './rescue-jobs.ts'
import { deadAfterMs, lockedText, problemOf, unownedProblem } from './sweep-lost-executors.ts'

/** Between looks while nobody is about to be declared dead: a quarter of what may pass unseen. */
const lookEveryMs = 2000

/** A look that comes later than this after the last one knows nothing of the time between. */
const longestGapMs = 4000

/** A look takes a millisecond; one that takes so long has met an outage. */
const lookLimitMs = 3000

/** However near the moment is, the database is not asked in a tight loop. */
const shortestWaitMs = 50

interface Holder {
  readonly id: string
  readonly label: string
  readonly beatCount: number
  /** By the clock of the database. */
  readonly beatAgeMs: number
  readonly processIdentity: ProcessIdentity
  /** It signed off; a job it still holds is one whose end it could not write. */
  readonly isRetired: boolean
  /** The server takes no change now, and so no heartbeat. */
  readonly isReadOnly: boolean
}

/** Leases that belong to no executor. */
interface Nobody {
  readonly id: null
}

/** A heartbeat and since when, by our clock, it has been watched standing still. */
interface Stillness {
  readonly beatCount: number
  readonly sinceMs: number
}

/** An executor that was declared dead, and what became of its jobs. */
export interface LostExecutor extends Rescue {
  /** Null for jobs that no executor ran. */
  readonly executorId: string | null
  readonly label: string | null
  /** Why its jobs could not be rescued, or not all; the watch goes on, and tries again. */
  readonly problem?: string
}

/**
 * Watches the heartbeats of all executors that hold jobs, for as long as a service runs, and rescues
 * the jobs of those that died: at once when the process of this machine is gone, else when this very
 * watch has seen the heartbeat stand still for 8 s, without interruption. A look that failed, came
 * late or found the server read only interrupts it: after an outage of the database all heartbeats are
 * old, and none of their executors is dead.
 */
export class LostExecutorWatch {
  private readonly queries: Queries
  private readonly clock: Clock
  private stillness = new Map<string, Stillness>()
  /** When the last look was back; undefined after an interruption. */
  private lastLookAt: number | undefined

  constructor({ database, clock }: { readonly database: Database; readonly clock: Clock }) {
    this.queries = promptQueries(database, lookLimitMs)
    this.clock = clock
  }

  /** How long to wait before the next look: the one that may declare a death comes on time. */
  get nextLookInMs(): number {
    const now = this.clock.monotonic()
    const dueIn = [...this.stillness.values()].map(({ sinceMs }) => sinceMs + deadAfterMs - now)
    return Math.ceil(Math.max(shortestWaitMs, Math.min(lookEveryMs, ...dueIn)))
  }

  /** Looks once, and rescues. One statement when nobody died. Database errors are the caller's. */
  async look(): Promise<readonly LostExecutor[]> {
    try {
      return await this.lookAndRescue()
    } catch (error) {
      this.interrupt()
      throw error
    }
  }

  private async lookAndRescue(): Promise<readonly LostExecutor[]> {
    const askedAt = this.clock.monotonic()
    if (this.lastLookAt !== undefined && askedAt - this.lastLookAt > longestGapMs) this.interrupt()
    const found = await findHolders(this.queries)
    const holders = found.filter((holder) => holder.id !== null)
    if (holders.some(({ isReadOnly }) => isReadOnly)) {
      this.interrupt()
      return []
    }
    this.note(holders, this.clock.monotonic())
    const self = holders.length > 0 ? currentProcessIdentity() : undefined
    const lost: LostExecutor[] = []
    for (const holder of holders) {
      const { id, label, beatCount } = holder
      const rescue = await attempt(problemOf(label), async () => {
        if (!this.isDead(holder, askedAt, self)) return undefined
        // Also if the rescue fails: it is tried again, and not at each shortest wait.
        this.stillness.delete(id)
        return rescueJobs(this.queries, id, beatCount)
      })
      if (rescue) lost.push({ executorId: id, label, ...rescue })
    }
    if (found.length > holders.length) {
      const rescue = await attempt(unownedProblem, () => rescueUnownedJobs(this.queries))
      lost.push({ executorId: null, label: null, ...rescue })
    }
    return lost
  }

  private isDead(holder: Holder, askedAt: number, self: ProcessIdentity | undefined): boolean {
    const since = this.stillness.get(holder.id)?.sinceMs ?? askedAt
    const isStill = askedAt - since >= deadAfterMs
    return isStill || holder.isRetired || isProvablyGone(holder.processIdentity, self)
  }

  private interrupt(): void {
    this.stillness.clear()
    this.lastLookAt = undefined
  }

  /**
   * A heartbeat that is new since the last look came between the two: its age tells when, and the
   * watch went on meanwhile, so that its stillness counts from there. The age alone proves nothing,
   * hence never from before the last look.
   */
  private note(holders: readonly Holder[], now: number): void {
    const before = this.stillness
    const earliest = this.lastLookAt ?? now
    this.stillness = new Map(
      holders.map(({ id, beatCount, beatAgeMs }) => {
        const known = before.get(id)
        const sinceMs = Math.max(earliest, now - Math.max(0, beatAgeMs))
        return [id, known?.beatCount === beatCount ? known : { beatCount, sinceMs }]
      }),
    )
    this.lastLookAt = now
  }
}

/** Each executor by itself: what fails for one must not keep the jobs of the others. */
async function attempt<T extends Rescue | undefined>(
  what: string,
  work: () => Promise<T>,
): Promise<T | (Rescue & { readonly problem: string })> {
  try {
    const rescue = await work()
    if (!rescue || rescue.locked === 0) return rescue
    return { ...rescue, problem: `${what}: ${lockedText(rescue.locked)}` }
  } catch (error) {
    if (isConnectionLost(error)) throw error
    return { pending: 0, failed: 0, locked: 0, problem: `${what}: ${messageOf(error)}` }
  }
}

async function findHolders(queries: Queries): Promise<(Holder | Nobody)[]> {
  const { rows } = await sql<Holder | Nobody>`
    select executor.id, executor.label, executor.beat_count, executor.process_identity,
      executor.stopped_at is not null as is_retired,
      (extract(epoch from now() - executor.beat_at) * 1000)::double precision as beat_age_ms,
      current_setting('transaction_read_only')::boolean as is_read_only
    from (select distinct executor_id from analysis_leases) as holder
    left join analysis_executors executor on executor.id = holder.executor_id
  `.execute(queries)
  return rows
}
