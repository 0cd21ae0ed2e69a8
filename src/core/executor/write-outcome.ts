import { type Queries, isDatabaseError, isRefusal } from '../database/index.ts'
import { messageOf } from '../errors/index.ts'
import {
  type ClaimedJob,
  type JobError,
  type JobOutcome,
  finishJobs,
  retryLater,
  returnLost,
} from '../jobs/index.ts'
import type { DataFolder } from '../os/index.ts'
import { type StoredResult, discardResult, isInline, storeResult } from '../results/index.ts'
import type { JobEnd } from './job-end.ts'
import { retryDelayMs } from './retry-delay.ts'
import type { OutcomeBatch } from './outcome-batch.ts'
import type { EndedOutcome } from './run-job.ts'

/** Before a job that got no sandbox is tried again, doubled each time: a host too busy needs a while. */
const unbegunDelayMs = 1000

export interface WriteOutcomeOptions {
  readonly queries: Queries
  readonly batch: OutcomeBatch
  readonly dataFolder: DataFolder
  readonly executorId: string
  readonly job: ClaimedJob
  /** False for a job that only its own command runs: nobody expects it to run again later. */
  readonly mayRetry: boolean
  readonly known: Pick<JobOutcome, 'logs' | 'peakMemoryBytes' | 'startDelayMs' | 'durationMs'>
}

/**
 * Writes how a job ended, its result first if that is a file. Undefined when the lease no longer
 * held and nothing was written. `retry` repeats the statement while the database is away.
 */
export async function writeOutcome(
  options: WriteOutcomeOptions,
  outcome: EndedOutcome,
  retry: <T>(work: () => Promise<T>) => Promise<T>,
): Promise<JobEnd | undefined> {
  const jobId = options.job.id
  if (outcome.status === 'failed') {
    if (outcome.isUnbegun && options.mayRetry) {
      const end = await returnUnbegun(options, outcome.error, retry)
      if (end) return end
    }
    const delayMs = options.mayRetry
      ? retryDelayMs(outcome.retries, options.job, outcome.error)
      : undefined
    if (delayMs !== undefined) {
      const error = clean(outcome.error)
      const lease = { jobId, leaseToken: options.job.leaseToken }
      const isReturned = await retry(() => retryLater(options.queries, lease, error, delayMs))
      return isReturned ? { status: 'retrying', jobId, error } : undefined
    }
    const written = await retry(() =>
      writeEnding(options, { status: 'failed', error: clean(outcome.error) }),
    )
    return written ? { status: 'failed', jobId, error: outcome.error } : undefined
  }
  try {
    const stored = isInline(outcome.resultText)
      ? undefined
      : await storeResult(options.dataFolder, options.job, outcome.resultText)
    const written = await retry(() =>
      writeEnding(options, { status: 'completed', resultText: outcome.resultText, stored }),
    )
    if (written) return { status: 'completed', jobId, resultText: outcome.resultText }
    if (stored) await discardResult(options.dataFolder, stored)
    return undefined
  } catch (error) {
    if (isDatabaseError(error) && !isRefusal(error)) throw error
    // A full disk here, or a result that Postgres refuses, must not leave the job running for ever.
    const failure = { code: 'result_not_stored', message: messageOf(error), stack: null }
    const written = await retry(() =>
      writeEnding(options, { status: 'failed', error: clean(failure) }),
    )
    return written ? { status: 'failed', jobId, error: failure } : undefined
  }
}

/** Undefined when it may be lost no more, or when its lease has ended. */
async function returnUnbegun(
  { queries, job }: WriteOutcomeOptions,
  unclean: JobError,
  retry: <T>(work: () => Promise<T>) => Promise<T>,
): Promise<JobEnd | undefined> {
  const error = clean(unclean)
  const lease = { jobId: job.id, leaseToken: job.leaseToken }
  const delayMs = unbegunDelayMs * 2 ** Math.min(job.lostCount, 5)
  const isReturned = await retry(() => returnLost(queries, lease, error, delayMs))
  return isReturned ? { status: 'retrying', jobId: job.id, error } : undefined
}

/** How a job ended, as it is written. */
export type Ending =
  | { readonly status: 'failed'; readonly error: JobError }
  | {
      readonly status: 'completed'
      readonly resultText: string
      readonly stored: StoredResult | undefined
    }

/** Writes how the job ended, if its lease holds; false when that has ended otherwise. */
export async function writeEnding(options: WriteOutcomeOptions, ending: Ending): Promise<boolean> {
  const { queries, job, known } = options
  const lease = { jobId: job.id, leaseToken: job.leaseToken }
  const stored = ending.status === 'completed' ? ending.stored : undefined
  const outcome: JobOutcome = {
    ...known,
    status: ending.status,
    resultText: ending.status === 'completed' && !stored ? ending.resultText : null,
    error: ending.status === 'failed' ? ending.error : null,
  }
  const written = stored
    ? await queries.transaction().execute(async (transaction) => {
        const finished = await finishJobs(transaction, [{ lease, outcome }])
        if (!finished.has(job.id)) return false
        await transaction
          .insertInto('analysisResultStorage')
          .values({ jobId: job.id, ...stored })
          .execute()
        return true
      })
    : await options.batch.write({ lease, outcome })
  return written || wasWrittenBefore(options, ending)
}

/**
 * A repeat after a lost reply finds the lease gone because the first try had come through. One that
 * others have failed meanwhile has another error.
 */
async function wasWrittenBefore(options: WriteOutcomeOptions, ending: Ending): Promise<boolean> {
  const row = await options.queries
    .selectFrom('analysisJobs')
    .select(['status', 'executorId', 'attempt', 'errorCode'])
    .where('id', '=', options.job.id)
    .executeTakeFirst()
  return (
    row?.status === ending.status &&
    row.errorCode === (ending.status === 'failed' ? ending.error.code : null) &&
    row.executorId === options.executorId &&
    row.attempt === options.job.attempt
  )
}

/** Postgres text has no NUL. */
function clean(error: JobError): JobError {
  const text = (value: string) => value.replaceAll('\u0000', '\uFFFD').toWellFormed()
  return {
    ...error,
    message: text(error.message),
    stack: error.stack === null ? null : text(error.stack),
  }
}
