import { recordAudit } from '../audit/index.ts'
import type { Context } from '../context.ts'
import { cancelJob } from './cancel-job.ts'
import type { JobStatus } from './job.ts'
import { toJobIds } from './job-id.ts'

/** What a cancel came to for one job. */
export interface CancelOutcome {
  readonly id: string
  /**
   * `cancelled` now, or `already_cancelled`; `already_completed` and `already_failed` stay so, and
   * so does `already_running` when only pending jobs were meant; `not_found`.
   */
  readonly outcome: 'cancelled' | 'not_found' | `already_${JobStatus}`
}

export interface CancelOptions {
  readonly reason: string
  /** Spare a job that has another status by now: it was chosen for this one. */
  readonly onlyStatus?: JobStatus
}

/**
 * Cancels jobs, each with its unfinished children and an audit row, in a transaction of its own:
 * what was told of one job is what its row says, whatever becomes of the next. Safe to repeat.
 *
 * @throws KilnError USAGE for text that is no id, before anything is cancelled.
 */
export async function cancelJobs(
  context: Pick<Context, 'database' | 'operator'>,
  ids: readonly string[],
  options: CancelOptions,
): Promise<CancelOutcome[]> {
  const outcomes: CancelOutcome[] = []
  for (const id of toJobIds(ids)) outcomes.push(await cancelOne(context, id, options))
  return outcomes
}

async function cancelOne(
  { database, operator }: Pick<Context, 'database' | 'operator'>,
  id: string,
  { reason, onlyStatus }: CancelOptions,
): Promise<CancelOutcome> {
  return database.queries.transaction().execute(async (transaction) => {
    // Locked, so that the status that is told is the one that the cancel met.
    const job = await transaction
      .selectFrom('analysisJobs')
      .select('status')
      .where('id', '=', id)
      .forUpdate()
      .executeTakeFirst()
    if (!job) return { id, outcome: 'not_found' }
    const status = job.status as JobStatus
    if (onlyStatus !== undefined && status !== onlyStatus) {
      return { id, outcome: `already_${status}` }
    }
    if (!(await cancelJob(transaction, id, reason))) return { id, outcome: `already_${status}` }
    await recordAudit(transaction, operator, {
      action: 'job.cancel',
      targetType: 'job',
      targetId: id,
      details: { reason },
    })
    return { id, outcome: 'cancelled' }
  })
}
