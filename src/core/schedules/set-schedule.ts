import {
  type RunnableAnalysis,
  loadRunnable,
  getAnalysis,
  scheduleState,
} from '../analyses/index.ts'
import { recordAudit } from '../audit/index.ts'
import type { Context } from '../context.ts'
import { type RuleWarning, explainRule } from '../cron/index.ts'
import type { Queries } from '../database/index.ts'
import { KilnError } from '../errors/index.ts'
import { checkRequest } from '../jobs/index.ts'
import { findSchedule, lockSchedule, ofAnalysis } from './get-schedule.ts'
import { databaseNow, nextRunAfter, startOf, zoneDataVersion } from './next-run.ts'
import {
  type AnalysisSchedule,
  type MissedPolicy,
  type OverlapPolicy,
  type Schedule,
  scheduleName,
} from './schedule.ts'
import { selectSchedules } from './select-schedules.ts'

/** What an operator sets; what is absent stays as it is, or has its default in a new schedule. */
export interface ScheduleChanges {
  readonly cron?: string | undefined
  readonly timezone?: string | undefined
  readonly parameters?:
    | ((definition: RunnableAnalysis['definition']) => Readonly<Record<string, unknown>>)
    | undefined
  readonly missedPolicy?: MissedPolicy | undefined
  readonly overlapPolicy?: OverlapPolicy | undefined
  readonly catchUpWindowMs?: number | undefined
  readonly jitterMs?: number | undefined
  /** 0: never pause by itself. */
  readonly pauseAfterFailures?: number | undefined
  readonly isEnabled?: boolean | undefined
}

export interface SetScheduleInput {
  /** Name or id of an analysis, or id of a schedule. */
  readonly reference: string
  readonly projectId?: string | undefined
  /** Another schedule beside those that the analysis has. */
  readonly add: boolean
  readonly changes: ScheduleChanges
}

export interface SetSchedule {
  readonly schedule: Schedule
  readonly isNew: boolean
  readonly warnings: readonly RuleWarning[]
}

type SetContext = Pick<Context, 'database' | 'operator' | 'clock' | 'settings'>

/**
 * Sets the schedule of an analysis: changes the one it has, or makes one. The next run is computed
 * from now on, so that an edit makes nothing up. Safe to repeat.
 *
 * @throws KilnError CRON_INVALID, TIMEZONE_INVALID, PARAMETER_INVALID, USAGE without a rule for a new
 *   schedule, ANALYSIS_NOT_FOUND, ANALYSIS_AMBIGUOUS, ANALYSIS_INACTIVE, SCHEDULE_AMBIGUOUS,
 *   SCHEDULE_NOT_FOUND.
 */
export async function setSchedule(
  context: SetContext,
  input: SetScheduleInput,
): Promise<SetSchedule> {
  const { changes } = input
  const { analysisId, existing } = await target(context, input)
  const analysis = await loadRunnable(context, analysisId)
  const rule = {
    cronExpression: (changes.cron ?? existing?.cronExpression ?? requireRule(analysis.name)).trim(),
    timezone: changes.timezone ?? existing?.timezone ?? 'UTC',
  }
  const { warnings } = explainRule({
    cron: rule.cronExpression,
    timezone: rule.timezone,
    fromMs: context.clock.now(),
    minIntervalMs: context.settings.scheduleMinIntervalMs,
  })
  const parameters = changes.parameters?.(analysis.definition)
  if (parameters !== undefined || !existing) checkRequest(context, analysis, parameters ?? {})
  const values = {
    ...rule,
    ...policiesOf(changes),
    ...(parameters === undefined ? {} : { parameters: JSON.stringify(parameters) }),
    ...(changes.isEnabled === undefined ? {} : { enabled: changes.isEnabled }),
  }
  const schedule = await context.database.queries.transaction().execute(async (transaction) => {
    const before = existing && (await lockSchedule(transaction, existing.id))
    const id = before
      ? await update(transaction, before.id, values)
      : await insert(transaction, analysisId, values)
    const stored = await plan(transaction, id)
    await recordAudit(transaction, context.operator, {
      action: 'schedule.set',
      targetType: 'schedule',
      targetId: id,
      targetName: scheduleName(stored),
      before: before && scheduleState(before),
      after: scheduleState(stored),
      details: { cron: rule.cronExpression, timezone: rule.timezone, is_new: !existing },
    })
    return stored
  })
  return { schedule, isNew: !existing, warnings }
}

async function target(
  context: Pick<Context, 'database'>,
  { reference, projectId, add }: SetScheduleInput,
): Promise<{ readonly analysisId: string; readonly existing?: AnalysisSchedule }> {
  if (add)
    return { analysisId: (await getAnalysis(context, { idOrName: reference, projectId })).id }
  const found = await findSchedule(context, { reference, projectId })
  if (!('schedule' in found)) return { analysisId: found.analysis.id }
  const existing = ofAnalysis(found.schedule)
  return { analysisId: existing.analysisId, existing }
}

function requireRule(analysisName: string): never {
  throw new KilnError('USAGE', `the analysis "${analysisName}" has no schedule to change`, {
    hint: 'give the rule of a new one: --cron "0 6 * * *"',
  })
}

function policiesOf(changes: ScheduleChanges) {
  const { missedPolicy, overlapPolicy, catchUpWindowMs, jitterMs, pauseAfterFailures } = changes
  return {
    ...(missedPolicy === undefined ? {} : { missedPolicy }),
    ...(overlapPolicy === undefined ? {} : { overlapPolicy }),
    ...(catchUpWindowMs === undefined ? {} : { catchUpWindowMs }),
    ...(jitterMs === undefined ? {} : { jitterMs }),
    ...(pauseAfterFailures === undefined ? {} : { pauseAfterFailures: pauseAfterFailures || null }),
  }
}

type Values = ReturnType<typeof policiesOf> & {
  readonly cronExpression: string
  readonly timezone: string
  readonly parameters?: string
  readonly enabled?: boolean
}

async function insert(transaction: Queries, analysisId: string, values: Values): Promise<string> {
  const { id } = await transaction
    .insertInto('analysisSchedules')
    .values({ analysisId, ...values })
    .returning('id')
    .executeTakeFirstOrThrow()
  return id
}

async function update(transaction: Queries, id: string, values: Values): Promise<string> {
  await transaction.updateTable('analysisSchedules').set(values).where('id', '=', id).execute()
  return id
}

/** Computes the next run where the trigger left it open, so that it is there to be shown at once. */
async function plan(transaction: Queries, id: string): Promise<Schedule> {
  const read = async (): Promise<Schedule> =>
    (await selectSchedules(transaction)
      .where('analysisSchedules.id', '=', id)
      .executeTakeFirstOrThrow()) as Schedule
  const stored = await read()
  if (stored.nextRunAt !== null || !stored.enabled) return stored
  const nowMs = Date.parse(await databaseNow(transaction))
  await transaction
    .updateTable('analysisSchedules')
    .set({
      nextRunAt: nextRunAfter(stored, startOf(nowMs, stored.lastScheduledFor)),
      zoneData: zoneDataVersion,
    })
    .where('id', '=', id)
    .execute()
  return read()
}
