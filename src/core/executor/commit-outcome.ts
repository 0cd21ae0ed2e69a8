import { isConnectionLost } from '../database/index.ts'
import type { CommitMarker } from '../duckdb/index.ts'
import { isKilnError, messageOf } from '../errors/index.ts'
import { clearCommitting, markCommitting } from '../jobs/index.ts'
import { delay } from '../os/index.ts'
import { type StoredResult, discardResult, isInline, storeResult } from '../results/index.ts'
import type { JobEnd } from './job-end.ts'
import type { OpenDatabase } from './open-database.ts'
import type { EndedOutcome } from './run-job.ts'
import { type WriteOutcomeOptions, writeEnding, writeOutcome } from './write-outcome.ts'

/** What has just been done when the next step begins. */
export type CommitStep = 'script ended' | 'marked' | 'prepared' | 'committed' | 'finished'

/** Whether the job has completed stands in its project's database only: whoever comes next reads it. */
export class CommitInDoubtError extends Error {
  override readonly name = 'CommitInDoubtError'
}

/** Between tries when the database cannot be read, or Postgres refuses what it must take. */
const againMs = 1000

export interface CommitOptions extends WriteOutcomeOptions {
  /** Aborted when this executor gives the job up. */
  readonly signal: AbortSignal
  /** Between two steps: for tests that end processes there. */
  readonly onCommitStep?: ((step: CommitStep) => Promise<void>) | undefined
}

type Completed = Extract<EndedOutcome, { status: 'completed' }> & {
  readonly database: OpenDatabase
}

/**
 * Ends a job that has written its project's database, so that what it wrote is there if and only if
 * the job is completed:
 *
 * 1. The row is marked as committing, under the lease. If we die before, nothing was written and the
 *    job is lost as any other. From here on nobody ends the job who has not read the database.
 * 2. A marker with job, lease and outcome goes into the transaction.
 * 3. The transaction is committed. If we die before it is durable, there is no marker: the job is lost.
 *    If we die after, there is one: the job has completed with the outcome in it.
 * 4. The outcome is written, which clears the mark.
 *
 * Undefined when the lease no longer held: nothing was written.
 *
 * @throws CommitInDoubtError when it was stopped before the outcome could be written.
 */
export async function commitOutcome(
  options: CommitOptions,
  outcome: Completed,
  retry: <T>(work: () => Promise<T>) => Promise<T>,
): Promise<JobEnd | undefined> {
  const { queries, job, dataFolder } = options
  const { database, resultText } = outcome
  const lease = { jobId: job.id, leaseToken: job.leaseToken }
  const step = async (name: CommitStep) => options.onCommitStep?.(name)
  await step('script ended')
  let stored: StoredResult | undefined
  try {
    stored = isInline(resultText) ? undefined : await storeResult(dataFolder, job, resultText)
  } catch (error) {
    return fail(options, 'result_not_stored', messageOf(error), outcome, retry)
  }
  if (!(await retry(() => markCommitting(queries, lease)))) {
    if (stored) await discardResult(dataFolder, stored)
    return undefined
  }
  await step('marked')
  const marker = {
    ...lease,
    outcome: JSON.stringify({ resultText: stored ? null : resultText, stored }),
  }
  const committed = await commit(options, database, marker, step)
  if ('reason' in committed) {
    if (stored) await discardResult(dataFolder, stored)
    // With the mark a retry could not put it back into the queue. If we die before it is taken away,
    // whoever comes next finds no marker either.
    await insist(options, () => retry(() => clearCommitting(queries, lease)))
    return fail(options, 'transaction_aborted', committed.reason, outcome, retry)
  }
  const ending = readEnding(committed.marker)
  const isWritten = await insist(options, () =>
    retry(() => writeEnding(options, { status: 'completed', ...ending })),
  )
  await step('finished')
  return isWritten ? { status: 'completed', jobId: job.id, resultText } : undefined
}

/** The marker that stands, or why there is none. */
async function commit(
  options: CommitOptions,
  database: OpenDatabase,
  marker: CommitMarker,
  step: (name: CommitStep) => Promise<void>,
): Promise<{ readonly marker: CommitMarker } | { readonly reason: string }> {
  let reason: string
  try {
    const earlier = await database.duckdb.prepareCommit(marker)
    // The job had completed before, and Postgres was put back behind that: what it did stands.
    if (earlier) return { marker: earlier }
  } catch (error) {
    return { reason: reasonOf(error) }
  }
  await step('prepared')
  try {
    await database.duckdb.commit()
    await step('committed')
    return { marker }
  } catch (error) {
    reason = reasonOf(error)
  }
  // It may have come through all the same: a process that dies cannot say.
  const found = await insist(options, () => database.readMarker())
  return found?.leaseToken === marker.leaseToken ? { marker: found } : { reason }
}

const reasonOf = (error: unknown): string =>
  isKilnError(error) && error.code !== 'TRANSACTION_ABORTED'
    ? `the transaction was not committed: ${error.message}`
    : messageOf(error)

/** What a marker says of how its job ended. */
export function readEnding(marker: CommitMarker): {
  readonly resultText: string
  readonly stored: StoredResult | undefined
} {
  const { resultText, stored } = JSON.parse(marker.outcome) as {
    readonly resultText: string | null
    readonly stored?: StoredResult
  }
  return { resultText: resultText ?? 'null', stored }
}

/** Repeats what must come through, until this executor is told to stop. */
async function insist<T>(options: CommitOptions, work: () => Promise<T>): Promise<T> {
  const { signal } = options
  for (;;) {
    try {
      return await work()
    } catch (error) {
      if (signal.aborted || isConnectionLost(error)) {
        throw new CommitInDoubtError(messageOf(error), { cause: error })
      }
    }
    await delay(againMs, signal).catch(() => undefined)
  }
}

function fail(
  options: CommitOptions,
  code: string,
  message: string,
  { peakMemoryBytes }: Completed,
  retry: <T>(work: () => Promise<T>) => Promise<T>,
): Promise<JobEnd | undefined> {
  return writeOutcome(
    options,
    { status: 'failed', error: { code, message, stack: null }, peakMemoryBytes },
    retry,
  )
}
