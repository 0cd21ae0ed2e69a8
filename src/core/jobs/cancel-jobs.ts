import { recordAudit } from '../audit/index.ts'
import type { Context } from '../context.ts'
import { isKilnError } from '../errors/index.ts'
import { cancelJob } from './cancel-job.ts'
import { getJob } from './get-job.ts'
import type { JobStatus } from './job.ts'

/** What a cancel came to for one job. */
export interface CancelOutcome {
  readonly id: string
  /**
   * `cancelled` now, or `already_cancelled`; `already_completed` and `already_failed` stay so;
   * `not_found`.
   */
  readonly outcome: 'cancelled' | 'not_found' | `already_${JobStatus}`
}

/**
 * Cancels jobs, each with its unfinished children and an audit row, in a transaction of its own:
 * what was told of one job is what its row says, whatever becomes of the next. Safe to repeat.
 */
export async function cancelJobs(
  context: Pick<Context, 'database' | 'operator'>,
  ids: readonly string[],
  reason: string,
): Promise<CancelOutcome[]> {
  const outcomes: CancelOutcome[] = []
  for (const id of ids) outcomes.push(await cancelOne(context, id, reason))
  return outcomes
}

async function cancelOne(
  context: Pick<Context, 'database' | 'operator'>,
  id: string,
  reason: string,
): Promise<CancelOutcome> {
  const isCancelled = await context.database.queries.transaction().execute(async (transaction) => {
    if (!(await cancelJob(transaction, id, reason))) return false
    await recordAudit(transaction, context.operator, {
      action: 'job.cancel',
      targetType: 'job',
      targetId: id,
      details: { reason },
    })
    return true
  })
  if (isCancelled) return { id, outcome: 'cancelled' }
  try {
    const job = await getJob(context, id)
    return { id, outcome: `already_${job.status}` }
  } catch (error) {
    if (!isKilnError(error, 'JOB_NOT_FOUND')) throw error
    return { id, outcome: 'not_found' }
  }
}
