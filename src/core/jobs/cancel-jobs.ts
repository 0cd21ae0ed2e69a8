import { sql } from 'kysely'
import { recordAudits } from '../audit/index.ts'
import type { Context } from '../context.ts'
import { repeatedTransaction } from '../database/index.ts'
import { cancelFamilies, lockFamilies } from './cancel-job.ts'
import { isStuck } from './find-jobs.ts'
import type { JobStatus } from './job.ts'
import { toJobIds } from './job-id.ts'

/** What a cancel came to for one job. */
export interface CancelOutcome {
  readonly id: string
  /**
   * `cancelled` now, or `already_cancelled`; `already_completed` and `already_failed` stay so, and
   * so do `already_pending` and `already_running` of a job that was chosen for what it is not any
   * more; `not_found`.
   */
  readonly outcome: 'cancelled' | 'not_found' | `already_${JobStatus}`
}

export interface CancelOptions {
  readonly reason: string
  /** Spare a job that has another status by now: it was chosen for this one. */
  readonly onlyStatus?: JobStatus
  /** Spare a job that has not been running for longer than this by now: it ended, or began anew. */
  readonly onlyStuckForMs?: number
}

/** In one transaction: few enough that nobody waits long for a row, many enough to be quick. */
const batchSize = 100

/**
 * Cancels jobs, each with its unfinished children and an audit row in the same transaction: what was
 * told of a job is what its row says, whatever becomes of those in later transactions. Safe to repeat.
 *
 * @throws KilnError USAGE for text that is no id, before anything is cancelled.
 */
export async function cancelJobs(
  context: Pick<Context, 'database' | 'operator'>,
  ids: readonly string[],
  options: CancelOptions,
): Promise<CancelOutcome[]> {
  const jobIds = toJobIds(ids)
  const outcomes: CancelOutcome[] = []
  for (let index = 0; index < jobIds.length; index += batchSize) {
    const some = jobIds.slice(index, index + batchSize)
    outcomes.push(...(await cancelSome(context, some, options)))
  }
  return outcomes
}

async function cancelSome(
  { database, operator }: Pick<Context, 'database' | 'operator'>,
  ids: readonly string[],
  { reason, onlyStatus, onlyStuckForMs }: CancelOptions,
): Promise<CancelOutcome[]> {
  return repeatedTransaction(database.queries, async (transaction) => {
    // Locked, so that the statuses that are told are those that the cancel met.
    await lockFamilies(transaction, ids)
    const rows = await transaction
      .selectFrom('analysisJobs')
      .select(['id', 'status'])
      .select(
        (onlyStuckForMs === undefined ? sql<boolean>`true` : isStuck(onlyStuckForMs)).as('isMeant'),
      )
      .where('id', 'in', ids)
      .execute()
    const statuses = new Map(rows.map(({ id, status }) => [id, status as JobStatus]))
    const meant = rows
      .filter(({ isMeant, status }) => isMeant && (onlyStatus ?? status) === status)
      .map(({ id }) => id)
    const cancelled = await cancelFamilies(transaction, meant, reason)
    const audits = ids
      .filter((id) => cancelled.has(id))
      .map((id) => ({
        action: 'job.cancel',
        targetType: 'job',
        targetId: id,
        before: { status: statuses.get(id) },
        after: { status: 'cancelled' },
        details: { reason },
      }))
    await recordAudits(transaction, operator, audits)
    return ids.map((id): CancelOutcome => {
      const status = statuses.get(id)
      if (cancelled.has(id)) return { id, outcome: 'cancelled' }
      return { id, outcome: status === undefined ? 'not_found' : `already_${status}` }
    })
  })
}
