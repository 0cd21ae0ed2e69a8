import { sql } from 'kysely'
import { loadRunnable, scheduleState } from '../analyses/index.ts'
import { recordAudit } from '../audit/index.ts'
import type { Context } from '../context.ts'
import { type Queries, repeatedTransaction } from '../database/index.ts'
import { KilnError } from '../errors/index.ts'
import { checkRequest } from '../jobs/index.ts'
import { type ScheduleReference, getSchedule } from './get-schedule.ts'
import {
  type AnalysisSchedule,
  type Schedule,
  type SystemSchedule,
  scheduleName,
} from './schedule.ts'

export interface TriggeredRun {
  /** The job, or the run of a task. */
  readonly id: string
  readonly schedule: Schedule
}

/**
 * Queues a run of a schedule now, with its parameters, beside its occurrences: it moves none of them
 * and counts as none. Works for a schedule that is off, too. The task of a system schedule is run by
 * a service that takes part in it.
 *
 * @throws KilnError SCHEDULE_NOT_FOUND and those of finding it, ANALYSIS_INACTIVE, PARAMETER_INVALID;
 *   TASK_ACTIVE, TASK_UNATTENDED for a system schedule.
 */
export async function triggerSchedule(
  context: Pick<Context, 'database' | 'operator' | 'clock'>,
  reference: ScheduleReference,
): Promise<TriggeredRun> {
  const schedule = await getSchedule(context, reference)
  if (schedule.task === null) {
    checkRequest(
      context,
      await loadRunnable(context, schedule.analysisId),
      schedule.parameters as Readonly<Record<string, unknown>>,
    )
  }
  const id = await repeatedTransaction(context.database.queries, async (transaction) => {
    const made =
      schedule.task === null
        ? await insertJob(transaction, schedule)
        : await insertTaskRun(transaction, schedule)
    await recordAudit(transaction, context.operator, {
      action: 'schedule.trigger',
      targetType: 'schedule',
      targetId: schedule.id,
      targetName: scheduleName(schedule),
      // It stays as it was: the same hash twice tells by which rule and parameters it ran.
      before: scheduleState(schedule),
      after: scheduleState(schedule),
      details: schedule.task === null ? { job_id: made } : { run_id: made },
    })
    return made
  })
  return { id, schedule }
}

async function insertJob(transaction: Queries, schedule: AnalysisSchedule): Promise<string> {
  const { id } = await transaction
    .insertInto('analysisJobs')
    .values({
      analysisId: schedule.analysisId,
      parameters: JSON.stringify(schedule.parameters),
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
  return id
}

async function insertTaskRun(transaction: Queries, schedule: SystemSchedule): Promise<string> {
  if (!schedule.isAttended) {
    throw new KilnError(
      'TASK_UNATTENDED',
      `no running service has the setting of ${scheduleName(schedule)}`,
      { hint: 'start kiln serve-scheduler with the setting' },
    )
  }
  // The lock that firing takes: an occurrence that is fired at this moment sees this run.
  await sql`select from analysis_schedules where id = ${schedule.id} for no key update`.execute(
    transaction,
  )
  const { rows } = await sql<{ id: string }>`
    with run as (
      insert into analysis_task_runs (schedule_id)
      values (${schedule.id})
      on conflict do nothing
      returning id
    )
    select id, pg_notify('kiln_schedules', '')
    from run
  `.execute(transaction)
  if (rows[0]) return rows[0].id
  throw new KilnError('TASK_ACTIVE', `a run of ${scheduleName(schedule)} has not ended`, {
    hint: `see it: kiln schedule show ${scheduleName(schedule)}`,
  })
}
