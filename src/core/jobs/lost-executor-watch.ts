import { sql } from 'kysely'
import { type Database, type Queries, promptQueries } from '../database/index.ts'
import {
  type Clock,
  type ProcessIdentity,
  currentProcessIdentity,
  isProvablyGone,
} from '../os/index.ts'
import { type Rescue, rescueJobs } from './rescue-jobs.ts'
import { deadAfterMs } from './sweep-lost-executors.ts'

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
}

/** A heartbeat and since when, by our clock, it has been watched standing still. */
interface Stillness {
  readonly beatCount: number
  readonly sinceMs: number
}

/** An executor that was declared dead, and what became of its jobs. */
export interface LostExecutor extends Rescue {
  readonly executorId: string
  readonly label: string
}

/**
 * Watches the heartbeats of all executors that hold jobs, for as long as a service runs, and rescues
 * the jobs of those that died: at once when the process of this machine is gone, else when this very
 * watch has seen the heartbeat stand still for 8 s, without interruption. A look that failed or came
 * late interrupts it: after an outage of the database all heartbeats are old, and none of their
 * executors is dead.
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
    const holders = await findHolders(this.queries)
    this.note(holders, this.clock.monotonic())
    const self = holders.length > 0 ? currentProcessIdentity() : undefined
    const lost: LostExecutor[] = []
    for (const { id, label, beatCount, isRetired, processIdentity } of holders) {
      const since = this.stillness.get(id)?.sinceMs ?? askedAt
      const isStill = askedAt - since >= deadAfterMs
      if (!isStill && !isRetired && !isProvablyGone(processIdentity, self)) continue
      const rescue = await rescueJobs(this.queries, id, beatCount)
      this.stillness.delete(id)
      lost.push({ executorId: id, label, ...rescue })
    }
    return lost
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

async function findHolders(queries: Queries): Promise<Holder[]> {
  const { rows } = await sql<Holder>`
    select executor.id, executor.label, executor.beat_count, executor.process_identity,
      executor.stopped_at is not null as is_retired,
      (extract(epoch from now() - executor.beat_at) * 1000)::double precision as beat_age_ms
    from analysis_executors executor
    where executor.id in (
      select executor_id from analysis_leases
    )
  `.execute(queries)
  return rows
}
