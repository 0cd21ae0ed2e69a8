import type { Context } from '../context.ts'
import { isConnectionLost, isDatabaseError, isPassing } from '../database/index.ts'
import { KilnError, messageOf } from '../errors/index.ts'
import { collectGarbage } from '../os/index.ts'
import type { Admission } from './admission.ts'
import { type ClaimAhead, maxAheadMs } from './claim-ahead.ts'
import { FailedClaims } from './failed-claims.ts'
import type { JobEnd } from './job-end.ts'
import { JobsInHand } from './jobs-in-hand.ts'
import type { LeaseHolder } from './lease-holder.ts'
import type { WakeUp } from './wake-up.ts'

/** Outcomes that may wait for the database before no more jobs are begun. */
const maxUnwritten = 2000

/** A larger claim gains nothing, and the first of its jobs wait for the last. */
const maxClaim = 512

/** Before the next claim, when the last one could not tell whether there are jobs. */
const againMs = 10

/** So many jobs leave some 10 MB behind. */
const collectAfterJobs = 1000

/** Jobs that ended here. */
export interface ServeCounts {
  readonly completed: number
  readonly failed: number
  readonly cancelled: number
}

export interface ClaimLoopOptions {
  readonly context: Context
  /** Scripts that run at a time. */
  readonly concurrency: number
  /** What is known of the jobs that ran here before counts for the next ones. */
  readonly claimAhead: ClaimAhead
  readonly wakeUp: WakeUp
  readonly admission: Admission
  /** False: nothing more is claimed, and the loop ends. */
  readonly isOpen: () => boolean
  /** True: nothing more is claimed for now. */
  readonly isDraining: () => boolean
  readonly claim: (limit: number) => Promise<readonly LeaseHolder[]>
  /** A claim that got nothing does not tell whether there is nothing. */
  readonly hasDueJobs: () => Promise<boolean>
  readonly run: (holder: LeaseHolder, onScriptEnd: (durationMs: number) => void) => Promise<JobEnd>
  /** Gives jobs that were not begun back to the queue. */
  readonly release: (holders: readonly LeaseHolder[]) => Promise<void>
}

/** Claims jobs and begins them, as many at a time as there are slots, until it is closed. */
export class ClaimLoop {
  private readonly options: ClaimLoopOptions
  private readonly counts = { completed: 0, failed: 0, cancelled: 0 }
  /** Claimed and not begun. */
  private readonly ahead = new JobsInHand<LeaseHolder>()
  private busySlots = 0
  private isBeginning = false
  private readonly unfinished = new Set<Promise<void>>()
  /** Statements under way that give jobs back to the queue. */
  private releasing = 0
  /** Jobs begun since garbage was collected. */
  private begun = 0
  private releaseTimer: NodeJS.Timeout | undefined
  private readonly failures = new FailedClaims()
  /** When it last went round, by the monotonic clock. */
  lastPassAt: number

  constructor(options: ClaimLoopOptions) {
    this.options = options
    this.lastPassAt = options.context.clock.monotonic()
  }

  /** True while the database refuses claims, or does not answer. */
  get isClaimFailing(): boolean {
    return this.failures.delayMs > 0
  }

  get aheadCount(): number {
    return this.ahead.count
  }

  /**
   * With `untilEmpty` it returns when nothing is due and nothing runs here; else when it is closed,
   * after the running jobs have ended.
   *
   * @throws with `untilEmpty`, what the database answers to a claim, unless it may pass.
   */
  async serve(options: { readonly untilEmpty: boolean }): Promise<ServeCounts> {
    try {
      await this.claimAndBegin(options.untilEmpty)
      await this.releaseAhead(0)
    } finally {
      // After an error too: the executor's end waits for each of them.
      for (const holder of this.ahead.takeOlderThan(0)) {
        holder.abort(new KilnError('TERMINATED', 'the executor stops'))
        this.start(holder)
      }
      while (this.unfinished.size > 0) await Promise.all(this.unfinished)
    }
    return this.counts
  }

  private async claimAndBegin(untilEmpty: boolean): Promise<void> {
    const { context, wakeUp, isOpen, isDraining, admission, claim } = this.options
    while (isOpen()) {
      this.lastPassAt = context.clock.monotonic()
      const { admittedCount } = admission
      const wanted = isDraining() ? 0 : this.wanted
      const claimed = wanted > 0 ? await this.attempt(() => claim(wanted), untilEmpty) : []
      const isFull = wanted > 0 && claimed?.length === wanted
      if (claimed) this.accept(claimed, isFull)
      let isKnown = claimed !== undefined
      if (untilEmpty && claimed?.length === 0 && this.hasNothing) {
        isKnown = wanted === 0 || (await this.isQueueEmpty())
        if (isKnown) await admission.admit()
        if (isKnown && admission.admittedCount === admittedCount) break
      }
      if (!isKnown) {
        await this.pause(Math.max(againMs, this.failures.delayMs))
      } else if (!isFull) {
        this.tidyUp()
        // A full batch may have left more behind: ask again at once.
        await wakeUp.next(context.settings.pollIntervalMs)
      }
    }
  }

  /** A claim gets nothing also when the jobs at the front were changed meanwhile. */
  private async isQueueEmpty(): Promise<boolean> {
    if (this.releasing > 0) return false
    return (await this.attempt(this.options.hasDueJobs, true)) === false
  }

  /**
   * Undefined when it failed. A service goes on whatever the database says, for people are mending
   * it; a command that works until the queue is empty waits only for what passes by itself.
   */
  private async attempt<T>(
    statement: () => Promise<T>,
    untilEmpty: boolean,
  ): Promise<T | undefined> {
    const { context } = this.options
    try {
      const answer = await statement()
      if (this.isClaimFailing) context.log.info({}, 'jobs are claimed again')
      this.failures.end()
      return answer
    } catch (error) {
      if (untilEmpty && !isConnectionLost(error) && !isPassing(error)) throw error
      if (this.failures.add(messageOf(error))) {
        const level = isDatabaseError(error) ? 'warn' : 'error'
        context.log[level]({ error: messageOf(error) }, 'database error: cannot claim jobs')
      }
      return undefined
    }
  }

  /** After many jobs, when there is none to run: of those to come hardly one waits for it. */
  private tidyUp(): void {
    if (!this.hasNothing || this.begun < collectAfterJobs) return
    this.begun = 0
    collectGarbage()
  }

  /** What wakes the loop otherwise does not shorten it: each would be one more error. */
  private async pause(ms: number): Promise<void> {
    const { context, wakeUp, isOpen } = this.options
    const until = context.clock.monotonic() + ms
    for (let left = ms; left > 0 && isOpen(); left = until - context.clock.monotonic()) {
      await wakeUp.next(left)
    }
  }

  private get hasNothing(): boolean {
    return this.ahead.count === 0 && this.unfinished.size === 0
  }

  /** How many to claim: nothing while there is enough in hand, so that batches stay large. */
  private get wanted(): number {
    const { allowance } = this.options.claimAhead
    const inHand = this.busySlots + this.ahead.count
    const room = this.options.concurrency + allowance - inHand
    const isEnough = this.ahead.count > allowance / 2
    return isEnough || this.unfinished.size > maxUnwritten ? 0 : Math.min(room, maxClaim)
  }

  /**
   * After a full batch the next claim is sent first: jobs of microseconds follow each other without a
   * turn of the event loop between them, and the server would have nothing to do until the last.
   */
  private accept(claimed: readonly LeaseHolder[], isFull: boolean): void {
    this.ahead.add(claimed)
    if (isFull) setImmediate(() => this.begin())
    else this.begin()
  }

  /** Fills the slots; one that is left meanwhile is filled in its turn. */
  private begin(): void {
    if (this.isBeginning) return
    this.isBeginning = true
    try {
      while (this.busySlots < this.options.concurrency) {
        const holder = this.ahead.takeNext()
        if (!holder) break
        this.start(holder)
      }
    } finally {
      this.isBeginning = false
    }
    if (this.ahead.count > 0) this.releaseLater()
  }

  private start(holder: LeaseHolder): void {
    this.busySlots += 1
    this.begun += 1
    let isInSlot = true
    const leaveSlot = (durationMs?: number): void => {
      if (!isInSlot) return
      isInSlot = false
      if (durationMs !== undefined) this.options.claimAhead.note(durationMs)
      this.ahead.ended(holder)
      this.busySlots -= 1
      this.begin()
      this.options.wakeUp.wake()
    }
    const finish = (): void => {
      this.unfinished.delete(done)
      leaveSlot()
      this.options.wakeUp.wake()
    }
    const done = this.options.run(holder, leaveSlot).then(
      ({ status }) => {
        if (status in this.counts) this.counts[status as keyof ServeCounts] += 1
        finish()
      },
      (error: unknown) => {
        const { jobId } = holder
        this.options.context.log.error({ jobId, error: messageOf(error) }, 'cannot conclude a job')
        finish()
      },
    )
    this.unfinished.add(done)
  }

  private releaseLater(): void {
    this.releaseTimer ??= setTimeout(() => {
      this.releaseTimer = undefined
      void this.releaseAhead(maxAheadMs)
    }, maxAheadMs)
  }

  /** Jobs that were claimed ahead and have waited for a slot for longer than this. */
  private async releaseAhead(olderThanMs: number): Promise<void> {
    const old = this.ahead.takeOlderThan(olderThanMs)
    if (this.ahead.count > 0) this.releaseLater()
    if (old.length === 0) return
    this.options.claimAhead.forget()
    this.releasing += 1
    try {
      await this.options.release(old)
    } catch (error) {
      const { log } = this.options.context
      log.warn({ error: messageOf(error) }, 'database error: cannot give back what was claimed')
      // They are still ours: run them, unless this executor stops, where nobody knows whose they are.
      if (!this.options.isOpen()) {
        for (const holder of old) holder.abort(new KilnError('TERMINATED', 'the executor stops'))
      }
      this.ahead.putBack(old)
      this.begin()
    } finally {
      this.releasing -= 1
    }
  }
}
