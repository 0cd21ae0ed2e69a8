import type { Context } from '../context.ts'
import {
  type Database,
  type Queries,
  databaseError,
  openDatabase,
  promptQueries,
} from '../database/index.ts'
import { messageOf } from '../errors/index.ts'
import { type BeatReply, beatExecutor, findEndedLeases } from '../jobs/index.ts'
import type { ClaimNumbers } from './claim-numbers.ts'
import type { LeaseHolder } from './lease-holder.ts'
import type { LeaseTable } from './lease-table.ts'

/** How often the heartbeat is written. Four may fail before others take the executor for dead. */
const beatEveryMs = 2000
/**
 * How often the jobs that run are looked at, whether or not notifications seem to arrive: that they do
 * not may be found only half a minute later, and a cancelled script must stop within a second.
 */
const lookEveryMs = 400
/** Most jobs have ended before anybody could cancel them; looking at those would cost a busy queue. */
const tooYoungMs = 100
/** A heartbeat that takes longer is given up, so that the next still comes in time. */
const beatLimitMs = 3000

export interface HeartbeatOptions {
  readonly context: Context
  readonly executorId: string
  readonly leases: LeaseTable<LeaseHolder>
  readonly claims: ClaimNumbers
  /** Leases that ended in the database: their jobs were cancelled, or are others' now. */
  readonly onEnded: (holders: readonly LeaseHolder[]) => void
  /** Others declared this executor dead. */
  readonly onDeclaredDead: () => void
  /** The database cannot be reached, or takes no heartbeat: once until it is back. */
  readonly onAway?: ((message: string) => void) | undefined
  /** A due job waits for a limit. */
  readonly onWaitingJobs: () => void
  /** After each heartbeat that came through; its errors count as the heartbeat's. */
  readonly alongside: (queries: Queries) => Promise<void>
}

/**
 * Says in the database that an executor lives, and learns which of its leases have ended. Over a
 * connection of its own: statements of jobs may fill the pool, waiting for locks of others, and the
 * executor would be declared dead for it.
 */
export class Heartbeat {
  private readonly options: HeartbeatOptions
  private readonly database: Database
  private readonly queries: Queries
  private timer: NodeJS.Timeout | undefined
  private lookTimer: NodeJS.Timeout | undefined
  private looking: Promise<void> = Promise.resolve()
  private last: Promise<void> = Promise.resolve()
  private isWaiting = false
  private isStopped = false
  private isDatabaseAway = false
  /** An operator asked that this executor takes no more jobs. */
  isDraining = false
  /** When it last began, by the monotonic clock. */
  lastBeatAt = 0

  constructor(options: HeartbeatOptions) {
    this.options = options
    this.database = openDatabase({
      target: options.context.database.target,
      applicationName: 'kiln executor heartbeat',
      poolSize: 1,
      connectTimeoutMs: beatLimitMs,
    })
    this.queries = promptQueries(this.database, beatLimitMs)
  }

  /** The last one did not come through. */
  get isFailing(): boolean {
    return this.isDatabaseAway
  }

  start(): void {
    this.lastBeatAt = this.options.context.clock.monotonic()
    this.schedule()
    this.lookLater()
  }

  /** Begins no more; resolves when what is under way has ended. */
  async stop(): Promise<void> {
    this.isStopped = true
    clearTimeout(this.timer)
    clearTimeout(this.lookTimer)
    await Promise.all([this.last, this.looking])
    await this.database.close()
  }

  /** Beats now, after the one that is under way; never rejects. */
  beat(): Promise<void> {
    // One that waits for its turn will see what this one would: many cancels make one beat.
    if (this.isStopped || this.isWaiting) return this.last
    this.isWaiting = true
    this.last = this.last.then(() => {
      this.isWaiting = false
      return this.beatOnce()
    })
    return this.last
  }

  private schedule(): void {
    if (this.isStopped) return
    this.timer = setTimeout(() => void this.beat().then(() => this.schedule()), beatEveryMs)
  }

  private lookLater(): void {
    if (this.isStopped) return
    this.lookTimer = setTimeout(() => {
      this.looking = this.look().then(() => this.lookLater())
    }, lookEveryMs)
  }

  /** Whether jobs that run were cancelled; costs nothing while none does. */
  private async look(): Promise<void> {
    const { leases, onEnded } = this.options
    const held = leases.all.filter(({ ageMs }) => ageMs >= tooYoungMs)
    if (held.length === 0) return
    try {
      const ended = await findEndedLeases(
        this.queries,
        held.map(({ lease }) => lease),
      )
      if (!this.isStopped) onEnded(leases.named(ended))
    } catch {
      // The next heartbeat meets the same, and says so.
    }
  }

  private async beatOnce(): Promise<void> {
    if (this.isStopped) return
    const { context, leases } = this.options
    this.lastBeatAt = context.clock.monotonic()
    try {
      const reply = await this.send()
      if (this.isDatabaseAway) context.log.info({}, 'the database is back')
      this.isDatabaseAway = false
      this.isDraining = reply.isDraining
      if (this.isStopped) return
      this.options.onEnded(leases.named(reply.endedLeases))
      if (!reply.isAlive) this.options.onDeclaredDead()
      if (reply.hasWaitingJobs) this.options.onWaitingJobs()
      await this.options.alongside(this.queries)
    } catch (error) {
      // Scripts go on; outcomes are written when the database is back.
      if (!this.isDatabaseAway) {
        context.log.warn({ error: messageOf(error) }, 'database error: the heartbeat fails')
        this.options.onAway?.(databaseError(error, context.database.target.label).message)
      }
      this.isDatabaseAway = true
    }
  }

  private async send(): Promise<BeatReply> {
    const { executorId, leases, claims } = this.options
    const held = { ...leases.snapshot(), claimsSettledBelow: claims.settledBelow }
    try {
      return await beatExecutor(this.queries, executorId, held)
    } catch (error) {
      leases.giveBack(held.endedTokens)
      throw error
    }
  }
}
