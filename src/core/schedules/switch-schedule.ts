import { scheduleState } from '../analyses/index.ts'
import { recordAudit } from '../audit/index.ts'
import type { Context, Operator } from '../context.ts'
import { type Queries, repeatedTransaction } from '../database/index.ts'
import {
  type ScheduleReference,
  getAnalysisSchedule,
  getSchedule,
  lockSchedule,
} from './get-schedule.ts'
import { databaseNow, nextRunAfter, startOf, zoneDataVersion } from './next-run.ts'
import { type AnalysisSchedule, type Schedule, scheduleName } from './schedule.ts'

type SwitchContext = Pick<Context, 'database' | 'operator'>

export interface EnableOptions {
  /** Also decide on what passed while it was off, by the policy for missed occurrences. */
  readonly catchUp: boolean
}

/**
 * Lets a schedule fire again, from now on unless it shall catch up. Safe to repeat.
 *
 * @throws KilnError SCHEDULE_NOT_FOUND and those of finding it; CRON_INVALID, TIMEZONE_INVALID.
 */
export async function enableSchedule(
  context: SwitchContext,
  reference: ScheduleReference,
  { catchUp }: EnableOptions,
): Promise<Schedule> {
  const found = await getSchedule(context, reference)
  if (found.enabled) return found
  return repeatedTransaction(context.database.queries, async (transaction) => {
    const schedule = await lockSchedule(transaction, found.id)
    const nowMs = Date.parse(await databaseNow(transaction))
    const fromNow = nextRunAfter(schedule, startOf(nowMs, schedule.lastScheduledFor))
    // The trigger forgets a next run that stays as it was; a second statement puts it back.
    await transaction
      .updateTable('analysisSchedules')
      .set({ enabled: true })
      .where('id', '=', schedule.id)
      .execute()
    await transaction
      .updateTable('analysisSchedules')
      .set({
        nextRunAt: catchUp ? (schedule.nextRunAt ?? fromNow) : fromNow,
        zoneData: zoneDataVersion,
      })
      .where('id', '=', schedule.id)
      .execute()
    const enabled = await lockSchedule(transaction, schedule.id)
    await recordAudit(transaction, context.operator, {
      ...changeOf(schedule, enabled),
      action: 'schedule.enable',
      details: { catch_up: catchUp },
    })
    return enabled
  })
}

/**
 * Keeps a schedule from firing until it is enabled again; jobs that it made go on. Safe to repeat: a
 * reason given again replaces the one before.
 *
 * @throws KilnError SCHEDULE_NOT_FOUND and those of finding it.
 */
export async function disableSchedule(
  context: SwitchContext,
  reference: ScheduleReference,
  { reason }: { readonly reason: string | undefined },
): Promise<Schedule> {
  const found = await getSchedule(context, reference)
  if (!found.enabled && reason === undefined) return found
  return context.database.queries
    .transaction()
    .execute((transaction) =>
      pauseSchedule(transaction, context.operator, found.id, reason ?? null),
    )
}

/** Switches a schedule off, with its audit row. @throws KilnError SCHEDULE_NOT_FOUND. */
export async function pauseSchedule(
  transaction: Queries,
  operator: Operator,
  id: string,
  reason: string | null,
): Promise<Schedule> {
  const schedule = await lockSchedule(transaction, id)
  await transaction
    .updateTable('analysisSchedules')
    .set({ enabled: false, pauseReason: reason, pausedBy: operator.actor })
    .where('id', '=', id)
    .execute()
  const disabled = await lockSchedule(transaction, id)
  await recordAudit(transaction, operator, {
    ...changeOf(schedule, disabled),
    action: 'schedule.disable',
    details: { reason },
  })
  return disabled
}

/**
 * Deletes a schedule with the history of its occurrences; jobs that it made stay.
 *
 * @throws KilnError USAGE for a system schedule, SCHEDULE_NOT_FOUND and those of finding it.
 */
export async function deleteSchedule(
  context: SwitchContext,
  reference: ScheduleReference,
): Promise<AnalysisSchedule> {
  // A running service would make one of Kiln itself anew.
  const found = await getAnalysisSchedule(context, reference)
  await repeatedTransaction(context.database.queries, async (transaction) => {
    const schedule = await lockSchedule(transaction, found.id)
    await transaction.deleteFrom('analysisSchedules').where('id', '=', schedule.id).execute()
    await recordAudit(transaction, context.operator, {
      ...changeOf(schedule),
      action: 'schedule.delete',
      details: { cron: schedule.cronExpression, timezone: schedule.timezone },
    })
  })
  return found
}

/** What the audit log tells of a schedule that was changed, or deleted. */
const changeOf = (before: Schedule, after?: Schedule) => ({
  targetType: 'schedule',
  targetId: before.id,
  targetName: scheduleName(before),
  before: scheduleState(before),
  after: after && scheduleState(after),
})
