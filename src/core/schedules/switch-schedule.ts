import { recordAudit } from '../audit/index.ts'
import type { Context } from '../context.ts'
import {
  type ScheduleReference,
  getAnalysisSchedule,
  getSchedule,
  scheduleGone,
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
  const schedule = await getSchedule(context, reference)
  if (schedule.enabled) return schedule
  await context.database.queries.transaction().execute(async (transaction) => {
    const nowMs = Date.parse(await databaseNow(transaction))
    const fromNow = nextRunAfter(schedule, startOf(nowMs, schedule.lastScheduledFor))
    // The trigger forgets a next run that stays as it was; a second statement puts it back.
    const enabled = await transaction
      .updateTable('analysisSchedules')
      .set({ enabled: true })
      .where('id', '=', schedule.id)
      .returning('id')
      .executeTakeFirst()
    if (!enabled) throw scheduleGone()
    await transaction
      .updateTable('analysisSchedules')
      .set({
        nextRunAt: catchUp ? (schedule.nextRunAt ?? fromNow) : fromNow,
        zoneData: zoneDataVersion,
      })
      .where('id', '=', schedule.id)
      .execute()
    await audit(transaction, context, schedule, 'schedule.enable', { catch_up: catchUp })
  })
  return getSchedule(context, { reference: schedule.id })
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
  const schedule = await getSchedule(context, reference)
  if (!schedule.enabled && reason === undefined) return schedule
  await context.database.queries.transaction().execute(async (transaction) => {
    const disabled = await transaction
      .updateTable('analysisSchedules')
      .set({ enabled: false, pauseReason: reason ?? null, pausedBy: context.operator.actor })
      .where('id', '=', schedule.id)
      .returning('id')
      .executeTakeFirst()
    if (!disabled) throw scheduleGone()
    await audit(transaction, context, schedule, 'schedule.disable', { reason: reason ?? null })
  })
  return getSchedule(context, { reference: schedule.id })
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
  const schedule = await getAnalysisSchedule(context, reference)
  await context.database.queries.transaction().execute(async (transaction) => {
    const deleted = await transaction
      .deleteFrom('analysisSchedules')
      .where('id', '=', schedule.id)
      .returning('id')
      .executeTakeFirst()
    if (!deleted) throw scheduleGone()
    await audit(transaction, context, schedule, 'schedule.delete', {
      cron: schedule.cronExpression,
      timezone: schedule.timezone,
    })
  })
  return schedule
}

async function audit(
  transaction: Parameters<typeof recordAudit>[0],
  { operator }: SwitchContext,
  schedule: Schedule,
  action: string,
  details: Readonly<Record<string, unknown>>,
): Promise<void> {
  await recordAudit(transaction, operator, {
    action,
    targetType: 'schedule',
    targetId: schedule.id,
    targetName: scheduleName(schedule),
    details,
  })
}
