import type { Context } from '../context.ts'
import { isDatabaseError, isRefusal, isServerAway } from '../database/index.ts'
import { messageOf } from '../errors/index.ts'
import { delay } from '../os/index.ts'
import { CommitInDoubtError, type CommitOptions, commitOutcome } from './commit-outcome.ts'
import type { Interruption } from './interruption.ts'
import type { JobEnd } from './job-end.ts'
import { retryWhileDatabaseIsAway } from './retry-while-database-is-away.ts'
import type { EndedOutcome } from './run-job.ts'
import { writeOutcome } from './write-outcome.ts'

/** Between tries to end a job whose outcome could not be written. */
const unstoredDelayMs = 5000

export interface EndJobOptions extends Omit<CommitOptions, 'signal'> {
  readonly log: Context['log']
  readonly interruption: Interruption
  /** Of an executor that somebody waits for: then the job is given up, and found as lost. */
  readonly awayLimitMs: number | undefined
}

/**
 * Writes how a job ended, whatever it takes; undefined when its lease no longer held.
 *
 * A job must not be forgotten while its row says `running`: its outcome is tried for as long as this
 * executor keeps the lease, and one that the database refuses becomes a failure. A job that only its
 * own command runs is given up, and is found as lost when the command has signed off.
 */
export async function endJob(
  options: EndJobOptions,
  outcome: EndedOutcome,
): Promise<JobEnd | undefined> {
  const { job, log, interruption, mayRetry } = options
  let attempt: EndedOutcome = outcome
  for (let tries = 1; ; tries += 1) {
    try {
      return await write(options, attempt)
    } catch (error) {
      if (interruption.isAborted || error instanceof CommitInDoubtError) return undefined
      const message = `cannot store the outcome: ${messageOf(error)}`
      log.error({ jobId: job.id, tries }, message)
      if (!mayRetry && tries > 1) throw error
      if (options.awayLimitMs !== undefined && isServerAway(error)) throw error
      // What people can mend costs nobody a result.
      if (isRefusal(error) || !isDatabaseError(error)) {
        attempt = {
          status: 'failed',
          error: { code: 'result_not_stored', message, stack: null },
          peakMemoryBytes: outcome.peakMemoryBytes,
        }
      }
      if (tries > 1) await delay(unstoredDelayMs, interruption.signal).catch(() => undefined)
    }
  }
}

function write(options: EndJobOptions, outcome: EndedOutcome): Promise<JobEnd | undefined> {
  const { interruption, awayLimitMs } = options
  const retry = <T>(work: () => Promise<T>) =>
    retryWhileDatabaseIsAway(work, {
      // Made only when it is asked for.
      get signal() {
        return interruption.signal
      },
      awayLimitMs,
    })
  if (outcome.status !== 'completed' || !outcome.database) {
    return writeOutcome(options, outcome, retry)
  }
  const { signal } = interruption
  return commitOutcome({ ...options, signal }, { ...outcome, database: outcome.database }, retry)
}
