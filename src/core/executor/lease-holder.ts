import { isKilnError, messageOf } from '../errors/index.ts'
import { type ClaimedJob, type Lease, completeCancelledJob } from '../jobs/index.ts'
import { isInline } from '../results/index.ts'
import { endJob } from './end-job.ts'
import { Interruption } from './interruption.ts'
import type { JobEnd } from './job-end.ts'
import { JobLog } from './job-log.ts'
import type { LeaseEnvironment } from './lease-environment.ts'
import type { OpenDatabase } from './open-database.ts'
import { ProgressWriter } from './progress-writer.ts'
import { readJobEnd } from './read-job-end.ts'
import { reportEnd } from './report-end.ts'
import { retryWhileDatabaseIsAway } from './retry-while-database-is-away.ts'
import { runChild } from './run-child.ts'
import { type EndedOutcome, type RunOutcome, runJob } from './run-job.ts'
import type { WriteOutcomeOptions } from './write-outcome.ts'

export interface LeaseOptions {
  /** False for a job that only its own command runs. */
  readonly mayRetry: boolean
  readonly timeoutMs?: number
  /** The script has ended; its outcome is written next. */
  readonly onResult?: () => void
}

/**
 * Carries one claimed job to its end: runs the script, writes the outcome under the lease, and
 * finds out what became of the job when the lease was gone.
 */
export class LeaseHolder {
  readonly lease: Lease
  private readonly environment: LeaseEnvironment
  private readonly job: ClaimedJob
  private readonly options: LeaseOptions
  private readonly interruption = new Interruption()
  private readonly claimedAt: number
  private log: JobLog | undefined
  private startedAt = 0
  private endedAt = 0
  private progress: ProgressWriter | undefined
  private isEnded = false
  private readonly waiters: (() => void)[] = []

  constructor(environment: LeaseEnvironment, job: ClaimedJob, options: LeaseOptions) {
    this.environment = environment
    this.job = job
    this.options = options
    this.lease = { jobId: job.id, leaseToken: job.leaseToken }
    this.claimedAt = environment.context.clock.monotonic()
  }

  get jobId(): string {
    return this.job.id
  }

  get projectId(): string {
    return this.job.projectId
  }

  get priority(): number {
    return this.job.priority
  }

  /** Its end may let a job go that waits for a limit. */
  get holdsSlot(): boolean {
    return this.job.holdsSlot
  }

  /** How long the claim has waited for its turn. */
  get ageMs(): number {
    return this.environment.context.clock.monotonic() - this.claimedAt
  }

  /** Resolves when the job needs this process no more. */
  whenEnded(): Promise<void> {
    if (this.isEnded) return Promise.resolve()
    return new Promise((resolve) => this.waiters.push(resolve))
  }

  /** The job went back to the queue unrun. */
  drop(): void {
    this.end(true)
  }

  /** Kills the script; what the job's row says decides how it ended. */
  abort(reason: Error): void {
    this.interruption.abort(reason)
  }

  /** `onScriptEnd` is called when the script needs its slot no more; writing its outcome goes on. */
  async run(onScriptEnd?: (durationMs: number) => void): Promise<JobEnd> {
    const { clock } = this.environment.context
    this.startedAt = clock.monotonic()
    let isKnownEnded = false
    let database: OpenDatabase | undefined
    let end: JobEnd | undefined
    try {
      const running = this.runScript()
      // What takes a sandbox's place may have ended already.
      const outcome = running instanceof Promise ? await running : running
      if (outcome.status === 'completed') database = outcome.database
      this.endedAt = clock.monotonic()
      onScriptEnd?.(this.endedAt - this.startedAt)
      this.options.onResult?.()
      end = (await this.writeAtOnce(outcome)) ?? (await this.conclude(outcome))
      isKnownEnded = end.status !== 'lost' || end.isKnownEnded
      return end
    } finally {
      this.progress?.stop()
      if (database) await database.close()
      this.end(isKnownEnded)
      if (end) this.environment.onConcluded(this, end, clock.monotonic() - this.startedAt)
    }
  }

  private end(isKnownEnded: boolean): void {
    this.isEnded = true
    this.environment.onEnd(this, isKnownEnded)
    for (const wake of this.waiters) wake()
  }

  private runScript(): RunOutcome | Promise<RunOutcome> {
    if (this.interruption.isAborted) return { status: 'aborted', peakMemoryBytes: 0 }
    return this.environment.runner?.(this.job) ?? this.runInSandbox()
  }

  private async runInSandbox(): Promise<RunOutcome> {
    const { job } = this
    const { context, pool, dataFolder, executorId, versions } = this.environment
    const { signal } = this.interruption
    try {
      if (!pool) throw new Error('the executor has not started')
      return await runJob({
        context,
        pool,
        dataFolder,
        executorId,
        versions,
        job,
        log: this.openLog(),
        signal,
        mayReturn: this.options.mayRetry,
        ...(this.options.timeoutMs === undefined ? {} : { timeoutMs: this.options.timeoutMs }),
        onProgress: (fraction, message) => {
          this.progress ??= new ProgressWriter(context, this.lease)
          this.progress.note(fraction, message)
        },
        runChild: (parent, name, parameters, childSignal) =>
          runChild(
            { context, run: this.environment.runChild, slots: this.environment.childSlots },
            { parent, parentJob: job, name, parameters },
            childSignal,
          ),
      })
    } catch (error) {
      if (this.interruption.isAborted) return { status: 'aborted', peakMemoryBytes: 0 }
      // Neither the script nor its data: ours. The job must end all the same.
      context.log.error(
        { jobId: job.id, error: messageOf(error) },
        'database error while running a job',
      )
      const message = isKilnError(error)
        ? error.message
        : `the executor failed: ${messageOf(error)}`
      return {
        status: 'failed',
        error: { code: 'sandbox_crashed', message, stack: null },
        peakMemoryBytes: 0,
      }
    }
  }

  /**
   * What nearly every job needs: one statement, shared with others. Undefined when it takes more, or
   * when something went wrong; writing twice does no harm.
   */
  private writeAtOnce(outcome: RunOutcome): Promise<JobEnd | undefined> | undefined {
    if (outcome.status !== 'completed' || !isInline(outcome.resultText)) return undefined
    if (outcome.database) return undefined
    if (this.log && !this.log.isEmpty) return undefined
    const { resultText } = outcome
    const { logs, peakMemoryBytes, startDelayMs, durationMs } = this.known(outcome)
    return this.environment.batch
      .write({
        lease: this.lease,
        outcome: {
          status: 'completed',
          resultText,
          error: null,
          logs,
          peakMemoryBytes,
          startDelayMs,
          durationMs,
        },
      })
      .then(
        (isWritten) =>
          isWritten
            ? this.report({ status: 'completed', jobId: this.jobId, resultText })
            : undefined,
        () => undefined,
      )
  }

  private async conclude(outcome: RunOutcome): Promise<JobEnd> {
    const { job } = this
    const { context } = this.environment
    await this.flushLog()
    if (outcome.status === 'returned') {
      return { status: 'lost', jobId: job.id, isKnownEnded: true }
    }
    if (outcome.status !== 'aborted') {
      const written = await this.endJob(outcome)
      if (written) return this.report(written)
    }
    const { logs, peakMemoryBytes } = this.known(outcome)
    await completeCancelledJob(context.database.queries, this.lease, {
      logs,
      peakMemoryBytes,
    }).catch((error: unknown) => {
      context.log.warn(
        { jobId: job.id, error: messageOf(error) },
        'cannot complete a cancelled job',
      )
    })
    return this.report(await readJobEnd(context.database.queries, job))
  }

  private endJob(outcome: EndedOutcome): Promise<JobEnd | undefined> {
    const { context, batch, dataFolder, executorId, onCommitStep, awayLimitMs } = this.environment
    return endJob(
      {
        queries: context.database.queries,
        batch,
        dataFolder,
        job: this.job,
        executorId,
        mayRetry: this.options.mayRetry,
        known: this.known(outcome),
        onCommitStep,
        log: context.log,
        interruption: this.interruption,
        awayLimitMs: awayLimitMs(),
      },
      outcome,
    )
  }

  private openLog(): JobLog {
    const { job } = this
    const { context, onLogLine } = this.environment
    this.log ??= new JobLog({
      queries: context.database.queries,
      clock: context.clock,
      lease: this.lease,
      attempt: job.attempt,
      ...(onLogLine ? { onLine: onLogLine } : {}),
    })
    return this.log
  }

  /** Stores the lines that wait, as well as can be: under an ended lease they would be lost. */
  async storeLog(): Promise<void> {
    await this.log?.flush().catch(() => undefined)
  }

  /** Before the outcome: who sees the job ended sees its whole log. */
  private async flushLog(): Promise<void> {
    const { log, interruption } = this
    if (!log || log.isEmpty) return
    await retryWhileDatabaseIsAway(() => log.flush(), interruption).catch((error: unknown) => {
      const { jobId } = this
      this.environment.context.log.warn(
        { jobId, error: messageOf(error) },
        'cannot store log lines',
      )
    })
  }

  private report(end: JobEnd): JobEnd {
    reportEnd(this.environment.context.log, end)
    return end
  }

  private known(outcome: RunOutcome): WriteOutcomeOptions['known'] {
    return {
      logs: this.log?.summary ?? [],
      peakMemoryBytes: outcome.peakMemoryBytes || null,
      startDelayMs: this.startedAt - this.claimedAt,
      durationMs: this.endedAt - this.startedAt,
    }
  }
}
