import { sql } from 'kysely'
import type { Context } from '../context.ts'
import { isKilnError, messageOf } from '../errors/index.ts'
import {
  type ClaimedJob,
  type JobLogLine,
  type Lease,
  completeCancelledJob,
} from '../jobs/index.ts'
import { type DataFolder, delay } from '../os/index.ts'
import type { SandboxPool } from '../sandbox/index.ts'
import type { InsertedJob } from './inserted-job.ts'
import type { JobEnd } from './job-end.ts'
import { JobLog } from './job-log.ts'
import { retryWhileDatabaseIsAway } from './retry-while-database-is-away.ts'
import { runChild } from './run-child.ts'
import type { OutcomeBatch } from './outcome-batch.ts'
import { type RunOutcome, runJob } from './run-job.ts'
import type { ScriptRunner } from './script-runner.ts'
import type { VersionCache } from './version-cache.ts'
import { type WriteOutcomeOptions, writeOutcome } from './write-outcome.ts'

/** Between tries to end a job whose outcome the database refuses. */
const unstoredDelayMs = 5000

/** Progress reaches the database at most this often. */
const progressEveryMs = 1000

export interface LeaseHolderOptions {
  readonly context: Context
  readonly executorId: string
  /** Where the script runs, unless `runner` takes its place. */
  readonly pool: SandboxPool | undefined
  readonly runner?: ScriptRunner | undefined
  readonly batch: OutcomeBatch
  readonly dataFolder: DataFolder
  readonly versions: VersionCache
  readonly job: ClaimedJob
  /** False for a job that only its own command runs. */
  readonly mayRetry: boolean
  readonly timeoutMs?: number
  readonly onLogLine?: (line: JobLogLine) => void
  /** The script has ended; its outcome is written next. */
  readonly onResult?: () => void
  /** Inserts and runs a child job of this one on the same executor. */
  readonly runChild: (input: InsertedJob) => Promise<JobEnd>
}

/**
 * Carries one claimed job to its end: runs the script, writes the outcome under the lease, and
 * finds out what became of the job when the lease was gone.
 */
export class LeaseHolder {
  private readonly options: LeaseHolderOptions
  private readonly abortController = new AbortController()
  private readonly log: JobLog
  private readonly claimedAt: number
  private isKnownEnded = false
  private startedAt = 0
  private endedAt = 0
  private lastProgressAt = Number.NEGATIVE_INFINITY
  private progress: { readonly fraction: number; readonly message: string | null } = {
    fraction: 0,
    message: null,
  }
  private progressTimer: NodeJS.Timeout | undefined
  private settle: (isKnownEnded: boolean) => void = () => undefined
  /**
   * Resolves when the job needs this process no more: true when the lease has ended in the database
   * too, as far as anybody knows.
   */
  readonly ended = new Promise<boolean>((resolve) => {
    this.settle = resolve
  })

  constructor(options: LeaseHolderOptions) {
    this.options = options
    this.claimedAt = options.context.clock.monotonic()
    this.log = new JobLog({
      queries: options.context.database.queries,
      clock: options.context.clock,
      jobId: options.job.id,
      attempt: options.job.attempt,
      ...(options.onLogLine ? { onLine: options.onLogLine } : {}),
    })
  }

  get jobId(): string {
    return this.options.job.id
  }

  get lease(): Lease {
    return { jobId: this.options.job.id, leaseToken: this.options.job.leaseToken }
  }

  /** How long the claim has waited for its turn. */
  get ageMs(): number {
    return this.options.context.clock.monotonic() - this.claimedAt
  }

  /** The job went back to the queue unrun. */
  drop(): void {
    this.settle(true)
  }

  /** Kills the script; what the job's row says decides how it ended. */
  abort(reason: Error): void {
    this.abortController.abort(reason)
  }

  /** `onScriptEnd` is called when the script needs its slot no more; writing its outcome goes on. */
  async run(onScriptEnd?: (durationMs: number) => void): Promise<JobEnd> {
    const { clock } = this.options.context
    this.startedAt = clock.monotonic()
    try {
      const outcome = await this.runScript()
      this.endedAt = clock.monotonic()
      onScriptEnd?.(this.endedAt - this.startedAt)
      this.options.onResult?.()
      const end = await this.conclude(outcome)
      this.isKnownEnded ||= end.status !== 'lost'
      return end
    } finally {
      clearTimeout(this.progressTimer)
      this.settle(this.isKnownEnded)
    }
  }

  private async runScript(): Promise<RunOutcome> {
    const { context, job, pool, runner, dataFolder, versions } = this.options
    const { signal } = this.abortController
    try {
      if (signal.aborted) return { status: 'aborted', peakMemoryBytes: 0 }
      if (runner) return await runner(job)
      if (!pool) throw new Error('the executor has not started')
      return await runJob({
        context,
        pool,
        dataFolder,
        versions,
        job,
        log: this.log,
        signal,
        ...(this.options.timeoutMs === undefined ? {} : { timeoutMs: this.options.timeoutMs }),
        onProgress: (fraction, message) => this.noteProgress(fraction, message),
        runChild: (parent, name, parameters, childSignal) =>
          runChild(
            { context, run: this.options.runChild },
            { parent, parentJob: job, name, parameters },
            childSignal,
          ),
      })
    } catch (error) {
      if (signal.aborted) return { status: 'aborted', peakMemoryBytes: 0 }
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

  private async conclude(outcome: RunOutcome): Promise<JobEnd> {
    const { context, job } = this.options
    // Lines first: who sees the job ended sees its whole log.
    await retryWhileDatabaseIsAway(() => this.log.flush(), this.abortController.signal).catch(
      (error: unknown) => {
        context.log.warn({ jobId: job.id, error: messageOf(error) }, 'cannot store log lines')
      },
    )
    if (outcome.status !== 'aborted') {
      const written = await this.writeSomehow(outcome)
      if (written) return written
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
    return this.readEnd()
  }

  /**
   * A job whose outcome the database refuses must not be forgotten while its row says `running`: it
   * is tried to fail it, for as long as this executor keeps the lease. A job that only its own
   * command runs is given up, and is found as lost when the command has signed off.
   */
  private async writeSomehow(
    outcome: Exclude<RunOutcome, { status: 'aborted' }>,
  ): Promise<JobEnd | undefined> {
    const { context, job, mayRetry } = this.options
    const { signal } = this.abortController
    let attempt: Exclude<RunOutcome, { status: 'aborted' }> = outcome
    for (let tries = 1; ; tries += 1) {
      try {
        return await this.write(attempt)
      } catch (error) {
        if (signal.aborted) return undefined
        const message = `cannot store the outcome: ${messageOf(error)}`
        context.log.error({ jobId: job.id, tries }, message)
        if (!mayRetry && tries > 1) throw error
        attempt = {
          status: 'failed',
          error: { code: 'result_not_stored', message, stack: null },
          peakMemoryBytes: outcome.peakMemoryBytes,
        }
        if (tries > 1) await delay(unstoredDelayMs, signal).catch(() => undefined)
      }
    }
  }

  private async write(
    outcome: Exclude<RunOutcome, { status: 'aborted' }>,
  ): Promise<JobEnd | undefined> {
    const { context, job, dataFolder } = this.options
    const end = await writeOutcome(
      {
        queries: context.database.queries,
        batch: this.options.batch,
        dataFolder,
        job,
        executorId: this.options.executorId,
        mayRetry: this.options.mayRetry,
        known: this.known(outcome),
      },
      outcome,
      (work) => retryWhileDatabaseIsAway(work, this.abortController.signal),
    )
    if (end?.status === 'completed') {
      context.log.info({ jobId: job.id }, `Job ${job.id} completed successfully`)
    } else if (end?.status === 'failed' || end?.status === 'retrying') {
      context.log.warn(
        { jobId: job.id, code: end.error.code },
        `Job ${job.id} failed${end.status === 'retrying' ? ', to be retried' : ''}: ${end.error.message}`,
      )
    }
    return end
  }

  private known(outcome: RunOutcome): WriteOutcomeOptions['known'] {
    return {
      logs: this.log.summary,
      peakMemoryBytes: outcome.peakMemoryBytes || null,
      startDelayMs: this.startedAt - this.claimedAt,
      durationMs: this.endedAt - this.startedAt,
    }
  }

  /** The lease is gone: the row tells whether somebody cancelled the job. */
  private async readEnd(): Promise<JobEnd> {
    const { context, job } = this.options
    const row = await context.database.queries
      .selectFrom('analysisJobs')
      .select(['status', 'leaseToken'])
      .where('id', '=', job.id)
      .executeTakeFirst()
    this.isKnownEnded = row?.status !== 'running' || row.leaseToken !== job.leaseToken
    return { status: row?.status === 'cancelled' ? 'cancelled' : 'lost', jobId: job.id }
  }

  /** Keeps the latest, and writes it when the time has come: one statement at most is under way. */
  private noteProgress(fraction: number, message: string | null): void {
    this.progress = { fraction, message }
    this.progressTimer ??= setTimeout(
      () => this.writeProgress(),
      Math.max(0, this.lastProgressAt + progressEveryMs - this.options.context.clock.monotonic()),
    )
  }

  private writeProgress(): void {
    const { context, job } = this.options
    const { fraction, message } = this.progress
    this.lastProgressAt = context.clock.monotonic()
    sql`
      update analysis_jobs
      set progress = ${Math.min(1, Math.max(0, fraction))}, progress_message = ${message}
      where id = ${job.id}
        and lease_token = ${job.leaseToken}
        and status = 'running'
    `
      .execute(context.database.queries)
      // Progress is a courtesy; the next one comes.
      .catch(() => undefined)
      .finally(() => {
        this.progressTimer = undefined
      })
  }
}
