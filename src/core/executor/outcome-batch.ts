import { type Queries, isLockTimeout, isServerAway } from '../database/index.ts'
import { type FinishedJob, finishJobs, finishUnlockedJobs } from '../jobs/index.ts'
import type { LeaseTable } from './lease-table.ts'

/** More than this in one statement gains nothing and delays the first of them. */
const maxBatch = 1000
/**
 * While more jobs run here, small batches follow each other no faster than this, and take no more than
 * this part of the time: at 900 jobs a second a statement for each would take a tenth of the processor,
 * ours and the server's, and on a slow machine half of it.
 */
const defaultPaceMs = 10
const timeShare = 1 / 20
/** Nobody waits longer for an outcome. */
const longestPaceMs = 50
/** A batch of so many is worth its statement. */
const largeBatch = 32
/** Between looks whether a row has been let go that somebody else had locked. */
const lockedRetryMs = 500

type Leases = Pick<LeaseTable, 'takeEndedTokens' | 'giveBack' | 'size'>

interface Waiting extends FinishedJob {
  readonly resolve: (isWritten: boolean) => void
  readonly reject: (error: unknown) => void
}

/**
 * Writes outcomes in batches: while one statement is under way the outcomes that come gather for
 * the next, so that a quiet queue waits for nothing and a busy one pays for few statements. A row
 * that somebody has locked is set aside, and tried again: the others do not wait for it.
 */
export class OutcomeBatch {
  private readonly queries: Queries
  private readonly leases: Leases
  private readonly shortestPaceMs: number
  private paceMs: number
  private waiting: Waiting[] = []
  private isWriting = false
  /** When the last statement began. */
  private startedAt = Number.NEGATIVE_INFINITY
  /** A statement begins when this ends. */
  private pacing: NodeJS.Timeout | undefined
  /** Whose rows somebody else has locked. */
  private locked: Waiting[] = []
  private retryTimer: NodeJS.Timeout | undefined
  private gaveUpBecause: Error | undefined

  constructor(queries: Queries, leases: Leases, paceMs = defaultPaceMs) {
    this.queries = queries
    this.leases = leases
    this.shortestPaceMs = paceMs
    this.paceMs = paceMs
  }

  /** False when the lease no longer held; rejects as the statement does, or when given up. */
  write(job: FinishedJob): Promise<boolean> {
    return new Promise((resolve, reject) => {
      this.waiting.push({ lease: job.lease, outcome: job.outcome, resolve, reject })
      if (this.pacing && this.isWorthIt) this.beginAtOnce()
      if (this.isWriting) return
      this.isWriting = true
      this.begin()
    })
  }

  /** At once when it is quiet here; else those that end in the next milliseconds go together. */
  private begin(): void {
    const waitMs = this.startedAt + this.paceMs - performance.now()
    if (waitMs <= 0 || this.isWorthIt) this.beginAtOnce()
    else this.pacing = setTimeout(() => this.beginAtOnce(), waitMs)
  }

  private beginAtOnce(): void {
    clearTimeout(this.pacing)
    this.pacing = undefined
    // Those that end in the same turn of the event loop go together.
    setImmediate(() => void this.writeAll())
  }

  /** Nothing more is to come, or enough has come. */
  private get isWorthIt(): boolean {
    return this.waiting.length >= Math.min(largeBatch, this.leases.size)
  }

  /**
   * From now on nobody waits for a row that somebody else has locked: their writers get this reason.
   * What is not locked is still written.
   */
  giveUpLocked(reason: Error): void {
    this.gaveUpBecause = reason
    clearTimeout(this.retryTimer)
    this.retryTimer = undefined
    for (const job of this.locked.splice(0)) job.reject(reason)
  }

  private async writeAll(): Promise<void> {
    do {
      this.startedAt = performance.now()
      await this.writeSome(this.waiting.splice(0, maxBatch))
      const tookMs = performance.now() - this.startedAt
      this.paceMs = Math.max(this.shortestPaceMs, Math.min(longestPaceMs, tookMs / timeShare))
    } while (this.waiting.length > 0 && this.isWorthIt)
    if (this.waiting.length > 0) this.begin()
    else this.isWriting = false
  }

  private async writeSome(jobs: readonly Waiting[]): Promise<void> {
    const endedTokens = this.leases.takeEndedTokens()
    try {
      const written = await finishJobs(this.queries, jobs, endedTokens)
      for (const job of jobs) job.resolve(written.has(job.lease.jobId))
    } catch (error) {
      this.leases.giveBack(endedTokens)
      if (isLockTimeout(error)) await this.writeUnlocked(jobs)
      else await this.writeSingly(jobs, error)
    }
  }

  /** One result that Postgres refuses must not fail the others. */
  private async writeSingly(jobs: readonly Waiting[], error: unknown): Promise<void> {
    if (jobs.length > 1 && !isServerAway(error)) {
      for (const job of jobs) await this.writeSome([job])
    } else {
      for (const job of jobs) job.reject(error)
    }
  }

  private async writeUnlocked(jobs: readonly Waiting[]): Promise<void> {
    try {
      const { written, locked } = await finishUnlockedJobs(this.queries, jobs)
      for (const job of jobs) {
        if (locked.has(job.lease.jobId)) this.setAside(job)
        else job.resolve(written.has(job.lease.jobId))
      }
    } catch (error) {
      await this.writeSingly(jobs, error)
    }
  }

  private setAside(job: Waiting): void {
    if (this.gaveUpBecause) {
      job.reject(this.gaveUpBecause)
      return
    }
    this.locked.push(job)
    this.retryTimer ??= setTimeout(() => {
      this.retryTimer = undefined
      void this.writeUnlocked(this.locked.splice(0))
    }, lockedRetryMs)
  }
}
