import { randomUUID } from 'node:crypto'
import { hostname } from 'node:os'
import type { Context } from '../context.ts'
import { Listener, isConnectionLost } from '../database/index.ts'
import { KilnError, messageOf } from '../errors/index.ts'
import { ExecutorMeter } from '../metrics/index.ts'
import {
  type ClaimedJob,
  type JobLogLine,
  beatExecutor,
  cancelJob,
  claimJobs,
  handBackJobs,
  insertClaimedJob,
  registerExecutor,
  retireExecutor,
  sweepLostExecutors,
} from '../jobs/index.ts'
import {
  type DataFolder,
  currentProcessIdentity,
  openDataFolder,
  processEntry,
} from '../os/index.ts'
import { SandboxPool, SandboxUnavailableError } from '../sandbox/index.ts'
import type { JobEnd } from './job-end.ts'
import { LeaseHolder } from './lease-holder.ts'
import type { InsertedJob } from './inserted-job.ts'
import type { ExecutorActivity } from './activity.ts'
import { Turns } from './turns.ts'
import { requireIsolation } from './require-isolation.ts'
import { removeStaleJobFolders } from './remove-stale-job-folders.ts'
import { VersionCache } from './version-cache.ts'
import { WakeUp } from './wake-up.ts'

/** How often the heartbeat is written. Four may fail before others take the executor for dead. */
const beatEveryMs = 2000
/** Without LISTEN this is how soon a cancel is noticed. */
const cancelPollMs = 500

export interface ExecutorOptions {
  readonly kind: 'service' | 'one_shot'
  /** Jobs that run at a time. */
  readonly concurrency: number
  readonly programVersion: string
  /** Refuse to start where scripts that break out would run as our account. */
  readonly requireIsolation?: boolean
  /** Each log line of each job at once. */
  readonly onLogLine?: (line: JobLogLine) => void
}

/** Jobs that ended here. */
export interface ServeCounts {
  readonly completed: number
  readonly failed: number
  readonly cancelled: number
}

/** Limits that only the caller of one job sets. */
export interface RunOptions {
  readonly timeoutMs?: number
  readonly onStart?: (jobId: string) => void
  /** The script has ended; its outcome is written next. */
  readonly onResult?: () => void
}

/**
 * Claims jobs and runs them in sandboxes. One per process; its id is fresh, so that a process that
 * was declared dead can never write for its successor.
 */
export class Executor {
  readonly id = randomUUID()
  private readonly context: Context
  private readonly options: ExecutorOptions
  private readonly holders = new Map<string, LeaseHolder>()
  private readonly versions: VersionCache
  private readonly wakeUp = new WakeUp()
  private readonly meter = new ExecutorMeter()
  /** When its loops last went round, by the monotonic clock. */
  private lastPassAt = 0
  private lastBeatAt = 0
  private pool: SandboxPool | undefined
  private dataFolder!: DataFolder
  private listener: Listener | undefined
  private beatTimer: NodeJS.Timeout | undefined
  /** Claims and beats take turns: a beat that overtook a claim would give its jobs back. */
  private readonly turns = new Turns()
  private isStopping = false
  private stopped: Promise<void> | undefined
  private isDraining = false
  private isDatabaseAway = false
  private isBeatWaiting = false
  /** Others declared this executor dead; it claims nothing more, and a new one must take over. */
  isFencedOut = false

  constructor(context: Context, options: ExecutorOptions) {
    this.context = context
    this.options = options
    this.versions = new VersionCache(context)
  }

  /** How it does, for those who watch over it. */
  get activity(): ExecutorActivity {
    const now = this.context.clock.monotonic()
    return {
      runningJobs: this.holders.size,
      isDraining: this.isDraining || this.isFencedOut,
      passAgeMs: now - this.lastPassAt,
      beatAgeMs: now - this.lastBeatAt,
    }
  }

  /** Registers in the database, starts sandboxes, listens and begins to beat. */
  async start(): Promise<void> {
    const { context, options } = this
    this.dataFolder = await openDataFolder(context.settings.dataDir)
    this.pool = new SandboxPool({
      entryPath: processEntry('sandbox'),
      nodePath: process.execPath,
      size: options.concurrency,
      warm: 1,
      maxMemoryBytes: context.settings.sandboxMemoryBytes,
    })
    const starting = this.pool.start()
    // Handled below; until then a sandbox that does not start must not end the process.
    starting.catch(() => undefined)
    await registerExecutor(context.database.queries, {
      id: this.id,
      label: `${hostname()}:${process.pid}`,
      kind: options.kind,
      identity: currentProcessIdentity(),
      dataFolderId: this.dataFolder.id,
      concurrency: options.concurrency,
      programVersion: options.programVersion,
    })
    this.listener = new Listener({
      target: context.database.target,
      applicationName: 'kiln executor listener',
      channels: ['kiln_jobs', 'kiln_cancel'],
      onNotification: (channel) =>
        channel === 'kiln_cancel' ? void this.beat() : this.wakeUp.wake(),
    })
    const tidying = this.tidyUp()
    await Promise.all([starting, this.listener.start(), tidying]).catch((error: unknown) => {
      if (!(error instanceof SandboxUnavailableError)) throw error
      throw new KilnError('SANDBOX_FAILED', error.message, {
        hint: 'check that this account may start the Node of Kiln, and its memory limits',
        cause: error,
      })
    })
    if (options.requireIsolation) requireIsolation(this.pool.stats().walls)
    this.lastPassAt = this.lastBeatAt = context.clock.monotonic()
    this.scheduleBeat()
  }

  /**
   * Inserts a job that is claimed from its first moment, and runs it.
   *
   * @throws KilnError LIMITS_FULL when the analysis has as many running jobs as it allows, TERMINATED
   * when this executor stops.
   */
  async runInserted(input: InsertedJob, options: RunOptions = {}): Promise<JobEnd> {
    const holder = await this.turns.take(async () => {
      if (this.isStopping) throw new KilnError('TERMINATED', 'the executor stops')
      const job = await insertClaimedJob(this.context.database.queries, {
        ...input,
        executorId: this.id,
      })
      return this.hold(job, false, options)
    })
    options.onStart?.(holder.jobId)
    return this.runHeld(holder)
  }

  /**
   * Claims and runs jobs. With `untilEmpty` it returns when nothing is due and nothing runs here;
   * else when the signal is aborted or others declared this executor dead, after the running jobs
   * have ended. Jobs that fail are outcomes of theirs, not of this.
   */
  async serve(options: { readonly untilEmpty: boolean }): Promise<ServeCounts> {
    const counts = { completed: 0, failed: 0, cancelled: 0 }
    const { signal } = this.context
    const onAbort = () => this.wakeUp.wake()
    signal.addEventListener('abort', onAbort, { once: true })
    const running = new Set<Promise<void>>()
    try {
      while (!this.isStopping && !this.isFencedOut && !signal.aborted) {
        this.lastPassAt = this.context.clock.monotonic()
        const free = this.options.concurrency - running.size
        const claimed = free > 0 && !this.isDraining ? await this.claim(free) : []
        for (const holder of claimed ?? []) this.track(holder, running, counts)
        if (claimed?.length === 0 && running.size === 0 && options.untilEmpty) break
        // A full batch may have left more behind: ask again at once.
        if (!claimed || claimed.length < free || claimed.length === 0)
          await this.wakeUp.next(this.context.settings.pollIntervalMs)
      }
      await Promise.all(running)
    } finally {
      signal.removeEventListener('abort', onAbort)
    }
    return counts
  }

  private track(
    holder: LeaseHolder,
    running: Set<Promise<void>>,
    counts: { -readonly [Key in keyof ServeCounts]: number },
  ): void {
    const done = this.runHeld(holder)
      .then((end) => {
        if (end.status in counts) counts[end.status as keyof ServeCounts] += 1
      })
      .catch((error: unknown) => {
        const { jobId } = holder
        this.context.log.error({ jobId, error: messageOf(error) }, 'cannot conclude a job')
      })
      .finally(() => {
        // The slot first, or whoever wakes up finds none free and sleeps on.
        running.delete(done)
        this.wakeUp.wake()
      })
    running.add(done)
  }

  private async runHeld(holder: LeaseHolder): Promise<JobEnd> {
    const startedAt = this.context.clock.monotonic()
    const end = await holder.run()
    this.meter.jobEnded(end.status, this.context.clock.monotonic() - startedAt)
    return end
  }

  /** Cancels the script of every running job here; their rows say why when the caller has set it. */
  abortAll(reason: Error): void {
    for (const holder of this.holders.values()) holder.abort(reason)
  }

  /**
   * Stops: running jobs go back to the queue, sandboxes end, the executor's row is closed. Safe to
   * call twice; each call waits for the end.
   */
  stop(): Promise<void> {
    return (this.stopped ??= this.stopOnce())
  }

  private async stopOnce(): Promise<void> {
    this.isStopping = true
    clearTimeout(this.beatTimer)
    this.wakeUp.wake()
    try {
      // In turn: a claim under way may bring jobs that must go back too.
      await this.turns.take(() => this.signOff())
    } catch (error) {
      // Without the database the row stays; others find this process gone and take its jobs.
      this.context.log.warn({ error: messageOf(error) }, 'cannot sign off from the database')
    }
    await Promise.allSettled([this.pool?.stop(), this.listener?.stop()])
  }

  /** What others who died here left behind. */
  private async tidyUp(): Promise<void> {
    const { queries } = this.context.database
    await sweepLostExecutors(queries)
    await removeStaleJobFolders(queries, this.dataFolder)
  }

  private async signOff(): Promise<void> {
    if (this.holders.size > 0) {
      await this.releaseJobs()
      this.abortAll(new KilnError('TERMINATED', 'the executor stops'))
      await Promise.allSettled([...this.holders.values()].map((holder) => holder.ended))
    }
    // Before the row is closed: an ended executor's counters are not written any more.
    await this.meter.save(this.context.database.queries, this.id)
    await retireExecutor(this.context.database.queries, this.id)
  }

  /** A job that only this command may run is cancelled; others may have the queue's jobs. */
  private async releaseJobs(): Promise<void> {
    const { queries } = this.context.database
    if (this.options.kind === 'service') {
      await handBackJobs(queries, this.id)
      return
    }
    for (const holder of this.holders.values()) {
      await cancelJob(queries, holder.jobId, 'the command that ran it has ended')
    }
  }

  /** Undefined when the database did not answer: then nobody knows whether the queue is empty. */
  private async claim(limit: number): Promise<LeaseHolder[] | undefined> {
    const { queries } = this.context.database
    try {
      const holders = await this.turns.take(async () => {
        if (this.isStopping) return []
        await sweepLostExecutors(queries)
        const startedAt = this.context.clock.monotonic()
        const jobs = await claimJobs(queries, this.id, limit)
        this.meter.claimed(jobs, this.context.clock.monotonic() - startedAt)
        return jobs.map((job) => this.hold(job, true))
      })
      if (holders.length > 0) {
        this.context.log.info({ count: holders.length }, `Found ${holders.length} pending jobs`)
      }
      return holders
    } catch (error) {
      if (!isConnectionLost(error)) throw error
      this.context.log.warn({ error: messageOf(error) }, 'database error: cannot claim jobs')
      return undefined
    }
  }

  /**
   * Enters a claimed job among the leases. In the same turn as its claim: a beat that came between
   * would take the claim for one whose reply was lost.
   */
  private hold(
    job: ClaimedJob,
    mayRetry: boolean,
    { timeoutMs, onResult }: RunOptions = {},
  ): LeaseHolder {
    const { onLogLine } = this.options
    const { pool } = this
    if (!pool) throw new Error('the executor has not started')
    const holder = new LeaseHolder({
      context: this.context,
      executorId: this.id,
      pool,
      dataFolder: this.dataFolder,
      versions: this.versions,
      job,
      mayRetry,
      ...(timeoutMs === undefined ? {} : { timeoutMs }),
      ...(onLogLine ? { onLogLine } : {}),
      ...(onResult ? { onResult } : {}),
      runChild: (input) => this.runInserted(input),
    })
    this.holders.set(job.leaseToken, holder)
    void holder.ended.then(() => this.holders.delete(job.leaseToken))
    return holder
  }

  private async beat(): Promise<void> {
    this.lastBeatAt = this.context.clock.monotonic()
    // One that waits for its turn will see what this one would: many cancels make one beat.
    if (this.isStopping || this.isBeatWaiting) return
    this.isBeatWaiting = true
    try {
      const reply = await this.turns.take(() => {
        this.isBeatWaiting = false
        return beatExecutor(this.context.database.queries, this.id, [...this.holders.keys()])
      })
      if (this.isDatabaseAway) this.context.log.info({}, 'the database is back')
      this.isDatabaseAway = false
      this.isDraining = reply.isDraining
      for (const lease of reply.endedLeases) {
        this.holders.get(lease)?.abort(new KilnError('JOB_CANCELLED', 'the lease has ended'))
      }
      if (!reply.isAlive && !this.isStopping) this.fenceOut()
      await this.meter.save(this.context.database.queries, this.id)
    } catch (error) {
      // Scripts go on; outcomes are written when the database is back.
      if (!this.isDatabaseAway) {
        this.context.log.warn({ error: messageOf(error) }, 'database error: the heartbeat fails')
      }
      this.isDatabaseAway = true
    }
  }

  /** Others took this process for dead: its jobs run elsewhere, so its scripts must stop. */
  private fenceOut(): void {
    this.context.log.error({ executorId: this.id }, 'this executor was declared dead')
    this.isFencedOut = true
    this.wakeUp.wake()
    this.abortAll(new KilnError('JOB_LOST', 'this executor was declared dead'))
  }

  private scheduleBeat(): void {
    if (this.isStopping) return
    const delay = this.listener?.isListening ? beatEveryMs : Math.min(beatEveryMs, cancelPollMs)
    this.beatTimer = setTimeout(() => void this.beat().then(() => this.scheduleBeat()), delay)
  }
}
