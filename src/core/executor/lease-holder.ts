import { sql } from 'kysely'
import type { Context } from '../context.ts'
import { isKilnError, messageOf } from '../errors/index.ts'
import {
  type ClaimedJob,
  type JobLogLine,
  type JobOutcome,
  completeCancelledJob,
} from '../jobs/index.ts'
import { type DataFolder, delay } from '../os/index.ts'
import type { SandboxPool } from '../sandbox/index.ts'
import type { InsertedJob } from './inserted-job.ts'
import type { JobEnd } from './job-end.ts'
import { JobLog } from './job-log.ts'
import { retryWhileDatabaseIsAway } from './retry-while-database-is-away.ts'
import { runChild } from './run-child.ts'
import { type RunOutcome, runJob } from './run-job.ts'
import type { VersionCache } from './version-cache.ts'
import { writeOutcome } from './write-outcome.ts'

/** Between tries to end a job whose outcome the database refuses. */
const unstoredDelayMs = 5000

/** Progress reaches the database at most this often. */
const progressEveryMs = 1000

export interface LeaseHolderOptions {
  readonly context: Context
  readonly executorId: string
  readonly pool: SandboxPool
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
  private lastProgressAt = Number.NEGATIVE_INFINITY
  private progress: { readonly fraction: number; readonly message: string | null } = {
    fraction: 0,
    message: null,
  }
  private progressTimer: NodeJS.Timeout | undefined
  private settle: () => void = () => undefined
  /** Resolves when the job needs this process no more. */
  readonly ended = new Promise<void>((resolve) => {
    this.settle = resolve
  })

  constructor(options: LeaseHolderOptions) {
    this.options = options
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

  /** Kills the script; what the job's row says decides how it ended. */
  abort(reason: Error): void {
    this.abortController.abort(reason)
  }

  async run(): Promise<JobEnd> {
    try {
      const outcome = await this.runScript()
      this.options.onResult?.()
      return await this.conclude(outcome)
    } finally {
      clearTimeout(this.progressTimer)
      this.settle()
    }
  }

  private async runScript(): Promise<RunOutcome> {
    const { context, job, pool, dataFolder, versions } = this.options
    const { signal } = this.abortController
    try {
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
    const lease = { jobId: job.id, leaseToken: job.leaseToken }
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
    await completeCancelledJob(context.database.queries, lease, { logs, peakMemoryBytes }).catch(
      (error: unknown) => {
        context.log.warn(
          { jobId: job.id, error: messageOf(error) },
          'cannot complete a cancelled job',
        )
      },
    )
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

  private known(outcome: RunOutcome): Pick<JobOutcome, 'logs' | 'peakMemoryBytes'> {
    return { logs: this.log.summary, peakMemoryBytes: outcome.peakMemoryBytes || null }
  }

  /** The lease is gone: the row tells whether somebody cancelled the job. */
  private async readEnd(): Promise<JobEnd> {
    const { context, job } = this.options
    const row = await context.database.queries
      .selectFrom('analysisJobs')
      .select('status')
      .where('id', '=', job.id)
      .executeTakeFirst()
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
