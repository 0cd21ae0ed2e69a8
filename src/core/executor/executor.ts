import { randomUUID } from 'node:crypto'
import { availableParallelism, hostname } from 'node:os'
import type { Context } from '../context.ts'
import { Listener, type Queries, promptQueries } from '../database/index.ts'
import { KilnError, messageOf } from '../errors/index.ts'
import { ExecutorMeter } from '../metrics/index.ts'
import {
  type ClaimedJob,
  claimJobs,
  hasDueJobs,
  registerExecutor,
  releaseJobs,
  retireExecutor,
  sweepInPassing,
} from '../jobs/index.ts'
import { type DataFolder, currentProcessIdentity, openDataFolder } from '../os/index.ts'
import type { SandboxPool } from '../sandbox/index.ts'
import { Admission } from './admission.ts'
import { CommitSettler } from './commit-settler.ts'
import { ChildSlots } from './child-slots.ts'
import { ClaimAhead } from './claim-ahead.ts'
import { ClaimLoop, type ServeCounts } from './claim-loop.ts'
import { ClaimNumbers } from './claim-numbers.ts'
import { Heartbeat } from './heartbeat.ts'
import type { JobEnd } from './job-end.ts'
import { handOver } from './hand-over.ts'
import type { LeaseEnvironment } from './lease-environment.ts'
import { LeaseHolder } from './lease-holder.ts'
import { LeaseTable } from './lease-table.ts'
import { openSandboxes } from './open-sandboxes.ts'
import { OutcomeBatch } from './outcome-batch.ts'
import { retryWhileDatabaseIsAway } from './retry-while-database-is-away.ts'
import type { InsertedJob } from './inserted-job.ts'
import { InsertedJobs } from './inserted-jobs.ts'
import type { ExecutorActivity } from './activity.ts'
import type { ExecutorOptions, RunOptions } from './executor-options.ts'
import { QueueMender } from './queue-mender.ts'
import { removeStaleJobFolders } from './remove-stale-job-folders.ts'
import { VersionCache } from './version-cache.ts'
import { WakeUp } from './wake-up.ts'

/**
 * A command that runs a job, or works until the queue is empty, waits so long for a database that is away
 * when an outcome is to be written: longer than a restart or a failover, and not for ever.
 */
const waitedForMs = 300_000

/** A claim that takes longer is given up: the server has gone, and another may be there already. */
const claimLimitMs = 3000

/**
 * Claims jobs and runs them in sandboxes. One per process; its id is fresh, so that a process that
 * was declared dead can never write for its successor.
 */
export class Executor {
  readonly id = randomUUID()
  private readonly context: Context
  private readonly options: ExecutorOptions
  private readonly leases = new LeaseTable<LeaseHolder>()
  private environment!: LeaseEnvironment
  private readonly batch: OutcomeBatch
  private readonly claimQueries: Queries
  private readonly claims = new ClaimNumbers()
  private readonly claimAhead: ClaimAhead
  private readonly inserted: InsertedJobs
  private readonly heartbeat: Heartbeat
  private readonly versions: VersionCache
  private readonly wakeUp = new WakeUp()
  private readonly admission: Admission
  private readonly settler: CommitSettler
  private readonly mender: QueueMender
  private readonly meter = new ExecutorMeter()
  /** One failed that may have been committed: jobs may run in our name that we do not know of. */
  private isClaimInDoubt = false
  /** While a person or a pipeline waits for the end; a service waits as long as it takes. */
  private awayLimitMs: number | undefined
  private startedAt = 0
  private loop: ClaimLoop | undefined
  private pool: SandboxPool | undefined
  private dataFolder!: DataFolder
  private listener: Listener | undefined
  private readonly stopping = new AbortController()
  private stopped: Promise<void> | undefined
  /** Others declared this executor dead; it claims nothing more, and a new one must take over. */
  isFencedOut = false

  constructor(context: Context, options: ExecutorOptions) {
    this.context = context
    this.options = options
    if (options.kind === 'one_shot') this.awayLimitMs = waitedForMs
    this.claimQueries = promptQueries(context.database, claimLimitMs)
    this.versions = new VersionCache(context)
    this.claimAhead = new ClaimAhead(options.concurrency, availableParallelism())
    this.inserted = new InsertedJobs({
      queries: context.database.queries,
      executorId: this.id,
      claims: this.claims,
      hold: (job, runOptions) => this.hold(job, false, runOptions),
      stopping: this.stopping.signal,
    })
    this.admission = new Admission(context, () => this.wakeUp.wake())
    this.mender = new QueueMender(context)
    this.settler = new CommitSettler(
      context.log,
      () => this.pool && { context, dataFolder: this.dataFolder, walls: this.pool.walls },
    )
    this.batch = new OutcomeBatch(context.database.queries, this.leases)
    this.heartbeat = new Heartbeat({
      context,
      executorId: this.id,
      leases: this.leases,
      claims: this.claims,
      onEnded: (holders) => {
        for (const holder of holders) {
          holder.abort(new KilnError('JOB_CANCELLED', 'the lease has ended'))
        }
      },
      onDeclaredDead: () => this.fenceOut(),
      onAway: options.onAway,
      onWaitingJobs: () => void this.admission.admit(),
      alongside: (queries) => this.meter.save(queries, this.id),
    })
  }

  private get isStopping(): boolean {
    return this.stopping.signal.aborted
  }

  /** How it does, for those who watch over it. */
  get activity(): ExecutorActivity {
    const now = this.context.clock.monotonic()
    return {
      runningJobs: this.leases.size - (this.loop?.aheadCount ?? 0),
      isDraining: this.heartbeat.isDraining || this.isFencedOut,
      isClaimFailing: this.loop?.isClaimFailing ?? false,
      passAgeMs: now - (this.loop?.lastPassAt ?? this.startedAt),
      beatAgeMs: now - this.heartbeat.lastBeatAt,
    }
  }

  /** Registers in the database, starts sandboxes, listens and begins to beat. */
  async start(): Promise<void> {
    const { context, options } = this
    this.dataFolder = await openDataFolder(context.settings.dataDir)
    const sandboxes = options.runner ? undefined : openSandboxes(context.settings, options)
    this.pool = sandboxes?.pool
    this.environment = this.leaseEnvironment()
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
      pool: context.database.pool,
      log: context.log,
      applicationName: 'kiln executor listener',
      channels: ['kiln_jobs', 'kiln_slots', 'kiln_cancel'],
      onNotification: (channel) => this.hear(channel),
    })
    await Promise.all([sandboxes?.started, this.listener.start(), this.tidyUp()])
    this.startedAt = context.clock.monotonic()
    this.heartbeat.start()
    this.settler.start()
    if (options.kind === 'service') this.mender.start()
  }

  private hear(channel: string): void {
    if (channel === 'kiln_cancel') void this.heartbeat.beat()
    else if (channel === 'kiln_slots') void this.admission.admit()
    else this.wakeUp.wake()
  }

  private leaseEnvironment(): LeaseEnvironment {
    return {
      context: this.context,
      executorId: this.id,
      pool: this.pool,
      runner: this.options.runner,
      batch: this.batch,
      dataFolder: this.dataFolder,
      versions: this.versions,
      onLogLine: this.options.onLogLine,
      onCommitStep: this.options.onCommitStep,
      runChild: (input, options) => this.inserted.runChild(input, options),
      childSlots: new ChildSlots(this.options.concurrency),
      awayLimitMs: () => this.awayLimitMs,
      onConcluded: (holder, end, tookMs) => {
        this.meter.jobEnded(end.status, tookMs)
        if (holder.holdsSlot) void this.admission.admit()
      },
      onEnd: (holder, isKnownEnded) => this.leases.remove(holder, isKnownEnded),
    }
  }

  /**
   * Inserts a job that is claimed from its first moment, and runs it.
   *
   * @throws KilnError LIMITS_FULL when its analysis or project runs as many jobs as it may,
   * TERMINATED when this executor stops.
   */
  runInserted(input: InsertedJob, options: RunOptions = {}): Promise<JobEnd> {
    return this.inserted.run(input, options)
  }

  /**
   * Claims and runs jobs. With `untilEmpty` it returns when nothing is due and nothing runs here;
   * else when the signal is aborted or others declared this executor dead, after the running jobs
   * have ended. Jobs that fail are outcomes of theirs, not of this.
   */
  async serve(options: { readonly untilEmpty: boolean }): Promise<ServeCounts> {
    const { context } = this
    const { signal } = context
    if (options.untilEmpty) this.awayLimitMs = waitedForMs
    const onAbort = () => this.wakeUp.wake()
    signal.addEventListener('abort', onAbort, { once: true })
    // What began to wait while nobody was here.
    void this.admission.admit()
    this.loop = new ClaimLoop({
      context,
      concurrency: this.options.concurrency,
      claimAhead: this.claimAhead,
      wakeUp: this.wakeUp,
      admission: this.admission,
      isOpen: () => !this.isStopping && !this.isFencedOut && !signal.aborted,
      isDraining: () => this.heartbeat.isDraining,
      claim: (limit) => this.claim(limit),
      hasDueJobs: () => this.hasDueJobs(),
      run: (holder, onScriptEnd) => holder.run(onScriptEnd),
      release: (holders) => this.release(holders),
    })
    try {
      return await this.loop.serve(options)
    } finally {
      signal.removeEventListener('abort', onAbort)
    }
  }

  /** Cancels the script of every running job here; their rows say why when the caller has set it. */
  abortAll(reason: Error): void {
    for (const holder of this.leases.all) holder.abort(reason)
    this.batch.giveUpLocked(reason)
  }

  /**
   * Stops: running jobs go back to the queue, sandboxes end, the executor's row is closed. Safe to
   * call twice; each call waits for the end.
   */
  stop(): Promise<void> {
    return (this.stopped ??= this.stopOnce())
  }

  private async stopOnce(): Promise<void> {
    this.stopping.abort(new KilnError('TERMINATED', 'the executor stops'))
    this.wakeUp.wake()
    // One that is under way may bring jobs that must go back too.
    await this.claims.whenIdle()
    try {
      await this.signOff()
    } catch (error) {
      // Without the database the row stays; others find this process gone and take its jobs.
      this.context.log.warn({ error: messageOf(error) }, 'cannot sign off from the database')
      this.abortAll(new KilnError('TERMINATED', 'the executor stops'))
    }
    // Not before: whoever signs off slowly is not dead.
    await Promise.allSettled([
      this.heartbeat.stop(),
      this.settler.stop(),
      this.mender.stop(),
      this.pool?.stop(),
      this.listener?.stop(),
    ])
  }

  /** What others who died here left behind. */
  private async tidyUp(): Promise<void> {
    const { queries } = this.context.database
    await sweepInPassing(this.context)
    await removeStaleJobFolders(queries, this.dataFolder)
  }

  private async signOff(): Promise<void> {
    const { context, leases, meter } = this
    const { queries } = context.database
    if (leases.size > 0 || this.isClaimInDoubt) {
      await handOver(queries, { id: this.id, kind: this.options.kind }, leases.all)
      this.abortAll(new KilnError('TERMINATED', 'the executor stops'))
      await Promise.allSettled(leases.all.map((holder) => holder.whenEnded()))
    }
    await this.admission.whenIdle()
    // Before the row is closed: an ended executor's counters are not written any more.
    await meter.save(queries, this.id)
    await retireExecutor(queries, this.id)
  }

  private async claim(limit: number): Promise<LeaseHolder[]> {
    const { context } = this
    if (this.isStopping) return []
    const holders = await this.claims.run(async (claimNumber) => {
      const startedAt = context.clock.monotonic()
      const jobs = await claimJobs(this.claimQueries, this.id, limit, claimNumber).catch(
        (error: unknown) => {
          this.isClaimInDoubt = true
          throw error
        },
      )
      this.meter.claimed(jobs, context.clock.monotonic() - startedAt)
      return jobs.map((job) => this.hold(job, true))
    })
    if (holders.length > 0) {
      context.log.info({ count: holders.length }, `Found ${holders.length} pending jobs`)
    }
    return holders
  }

  /** A heartbeat first gives back the jobs of a claim whose answer was lost: they are due again. */
  private async hasDueJobs(): Promise<boolean> {
    if (this.isClaimInDoubt) {
      await this.heartbeat.beat()
      if (this.heartbeat.isFailing) {
        throw new KilnError('DATABASE_CONNECTION_FAILED', 'the heartbeat does not come through')
      }
      this.isClaimInDoubt = false
    }
    return hasDueJobs(this.claimQueries, this.id)
  }

  /** Repeated until it is answered: jobs whose lease ended without our knowing must not be run here. */
  private async release(holders: readonly LeaseHolder[]): Promise<void> {
    const { queries } = this.context.database
    const leases = holders.map((holder) => holder.lease)
    await retryWhileDatabaseIsAway(() => releaseJobs(queries, leases), this.stopping)
    for (const holder of holders) holder.drop()
  }

  /**
   * Enters a claimed job among the leases, before its claim counts as settled: a heartbeat would take
   * it for one whose reply was lost.
   */
  private hold(
    job: ClaimedJob,
    mayRetry: boolean,
    options?: Pick<RunOptions, 'timeoutMs' | 'onResult'>,
  ): LeaseHolder {
    const holder = new LeaseHolder(this.environment, job, { mayRetry, ...options })
    this.leases.add(holder)
    return holder
  }

  /** Others took this process for dead: its jobs run elsewhere, so its scripts must stop. */
  private fenceOut(): void {
    if (this.isStopping) return
    this.context.log.error({ executorId: this.id }, 'this executor was declared dead')
    this.isFencedOut = true
    this.wakeUp.wake()
    this.abortAll(new KilnError('JOB_LOST', 'this executor was declared dead'))
  }
}
