import { loadRunnable } from '../analyses/index.ts'
import { recordAudit } from '../audit/index.ts'
import type { Context } from '../context.ts'
import { checkRequest } from '../jobs/index.ts'
import { type ScheduleReference, getSchedule } from './get-schedule.ts'
import type { Schedule } from './schedule.ts'

export interface TriggeredRun {
  readonly jobId: string
  readonly schedule: Schedule
}

/**
 * Queues a run of a schedule now, with its parameters, beside its occurrences: it moves none of them
 * and counts as none. Works for a schedule that is off, too.
 *
 * @throws KilnError SCHEDULE_NOT_FOUND and those of finding it, ANALYSIS_INACTIVE, PARAMETER_INVALID.
 */
export async function triggerSchedule(
  context: Pick<Context, 'database' | 'operator' | 'clock'>,
  reference: ScheduleReference,
): Promise<TriggeredRun> {
  const schedule = await getSchedule(context, reference)
  const { parameters } = schedule
  checkRequest(
    context,
    await loadRunnable(context, schedule.analysisId),
    parameters as Readonly<Record<string, unknown>>,
  )
  const jobId = await context.database.queries.transaction().execute(async (transaction) => {
    const { id } = await transaction
      .insertInto('analysisJobs')
      .values({
        analysisId: schedule.analysisId,
        parameters: JSON.stringify(parameters),
        triggeredBy: 'schedule trigger',
        scheduleId: schedule.id,
        scheduleTimezone: schedule.timezone,
      })
      .returning('id')
      .executeTakeFirstOrThrow()
    await transaction
      .insertInto('analysisScheduleRuns')
      .values({ jobId: id, scheduleId: schedule.id })
      .execute()
    await recordAudit(transaction, context.operator, {
      action: 'schedule.trigger',
      targetType: 'schedule',
      targetId: schedule.id,
      targetName: `${schedule.projectId}/${schedule.analysisName}`,
      details: { job_id: id },
    })
    return id
  })
  return { jobId, schedule }
}
