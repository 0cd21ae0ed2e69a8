import type { Context } from '../context.ts'
import { type Database, type Queries, openDatabase, promptQueries } from '../database/index.ts'
import { messageOf } from '../errors/index.ts'
import { type BeatReply, beatExecutor } from '../jobs/index.ts'
import type { ClaimNumbers } from './claim-numbers.ts'
import type { LeaseHolder } from './lease-holder.ts'
import type { LeaseTable } from './lease-table.ts'

/** How often the heartbeat is written. Four may fail before others take the executor for dead. */
const beatEveryMs = 2000
/** Without LISTEN this is how soon a cancel is noticed. */
const cancelPollMs = 500
/** A heartbeat that takes longer is given up, so that the next still comes in time. */
const beatLimitMs = 3000

export interface HeartbeatOptions {
  readonly context: Context
  readonly executorId: string
  readonly leases: LeaseTable<LeaseHolder>
  readonly claims: ClaimNumbers
  /** False: nobody tells of cancels, so that it must ask more often. */
  readonly isListening: () => boolean
  /** Leases that ended in the database: their jobs were cancelled, or are others' now. */
  readonly onEnded: (holders: readonly LeaseHolder[]) => void
  /** Others declared this executor dead. */
  readonly onDeclaredDead: () => void
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

  start(): void {
    this.lastBeatAt = this.options.context.clock.monotonic()
    this.schedule()
  }

  /** Begins no more; resolves when the one that is under way has ended. */
  async stop(): Promise<void> {
    this.isStopped = true
    clearTimeout(this.timer)
    await this.last
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
    const delayMs = this.options.isListening() ? beatEveryMs : Math.min(beatEveryMs, cancelPollMs)
    this.timer = setTimeout(() => void this.beat().then(() => this.schedule()), delayMs)
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
