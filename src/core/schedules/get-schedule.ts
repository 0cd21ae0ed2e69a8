import { type Analysis, getAnalysis, isAnalysisId } from '../analyses/index.ts'
import type { Context } from '../context.ts'
import type { Queries } from '../database/index.ts'
import { KilnError, isKilnError } from '../errors/index.ts'
import { type AnalysisSchedule, type Schedule, scheduleName } from './schedule.ts'
import { selectSchedules } from './select-schedules.ts'

/**
 * A schedule by its id, by the name or id of the one analysis that it runs, or `system:` and the
 * name of a task.
 */
export interface ScheduleReference {
  readonly reference: string
  readonly projectId?: string | undefined
}

/**
 * Finds a schedule.
 *
 * @throws KilnError SCHEDULE_NOT_FOUND, SCHEDULE_AMBIGUOUS when the analysis has several,
 *   ANALYSIS_NOT_FOUND, ANALYSIS_AMBIGUOUS.
 */
export async function getSchedule(
  context: Pick<Context, 'database'>,
  reference: ScheduleReference,
): Promise<Schedule> {
  const found = await findSchedule(context, reference)
  if ('schedule' in found) return found.schedule
  const { name } = found.analysis
  throw new KilnError('SCHEDULE_NOT_FOUND', `the analysis "${name}" has no schedule`, {
    hint: `set one: kiln schedule set ${name} --cron "0 6 * * *" --tz UTC`,
  })
}

/**
 * The same, of an analysis alone: what an operator may edit and run with parameters.
 *
 * @throws KilnError USAGE for a system schedule, and those of `getSchedule`.
 */
export async function getAnalysisSchedule(
  context: Pick<Context, 'database'>,
  reference: ScheduleReference,
): Promise<AnalysisSchedule> {
  return ofAnalysis(await getSchedule(context, reference))
}

/** @throws KilnError USAGE for a system schedule. */
export function ofAnalysis(schedule: Schedule): AnalysisSchedule {
  if (schedule.task === null) return schedule
  throw new KilnError('USAGE', `${scheduleName(schedule)} is a schedule of Kiln itself`, {
    hint: 'change the setting that makes it: see docs/schedules.md',
  })
}

/** The same, where an analysis without a schedule is an answer too. */
export async function findSchedule(
  context: Pick<Context, 'database'>,
  { reference, projectId }: ScheduleReference,
): Promise<{ readonly schedule: Schedule } | { readonly analysis: Analysis }> {
  if (isAnalysisId(reference)) {
    const schedule = await selectSchedules(context.database.queries)
      .where('analysisSchedules.id', '=', reference)
      .executeTakeFirst()
    if (schedule) return { schedule: schedule as Schedule }
  }
  if (reference.startsWith(systemPrefix)) {
    return { schedule: await getSystemSchedule(context, reference) }
  }
  const analysis = await getAnalysis(context, { idOrName: reference, projectId }).catch(
    (error: unknown) => {
      if (!isAnalysisId(reference) || !isKilnError(error)) throw error
      throw new KilnError('SCHEDULE_NOT_FOUND', `there is no schedule or analysis ${reference}`, {
        hint: 'run: kiln schedule list',
        cause: error,
      })
    },
  )
  const schedules = await schedulesOf(context, analysis.id)
  const [schedule] = schedules
  if (!schedule) return { analysis }
  if (schedules.length === 1) return { schedule }
  throw ambiguous(`the analysis "${analysis.name}" has`, schedules)
}

const systemPrefix = 'system:'

async function getSystemSchedule(
  { database }: Pick<Context, 'database'>,
  reference: string,
): Promise<Schedule> {
  const rows = await selectSchedules(database.queries)
    .where('analysisTasks.task', '=', reference.slice(systemPrefix.length))
    .orderBy('analysisTasks.dataFolderId')
    .execute()
  const schedules = rows as Schedule[]
  if (schedules.length > 1) throw ambiguous(`${reference} has`, schedules)
  if (schedules[0]) return schedules[0]
  throw new KilnError('SCHEDULE_NOT_FOUND', `there is no schedule ${reference}`, {
    hint: 'run: kiln schedule list --system; a service makes them from its settings',
  })
}

function ambiguous(whose: string, schedules: readonly Schedule[]): KilnError {
  const ids = schedules.map(({ id }) => id)
  return new KilnError('SCHEDULE_AMBIGUOUS', `${whose} ${ids.length} schedules`, {
    hint: `name one by its id: ${ids.slice(0, 5).join(', ')}`,
    details: { ids },
  })
}

/** All schedules of an analysis, oldest first. */
async function schedulesOf(
  { database }: Pick<Context, 'database'>,
  analysisId: string,
): Promise<Schedule[]> {
  const rows = await selectSchedules(database.queries)
    .where('analysisSchedules.analysisId', '=', analysisId)
    .orderBy('analysisSchedules.createdAt')
    .orderBy('analysisSchedules.id')
    .execute()
  return rows as Schedule[]
}

/**
 * A schedule as it is, for the transaction alone: the states before and after, which the audit log
 * tells, have nobody else's change between them.
 *
 * @throws KilnError SCHEDULE_NOT_FOUND when it was deleted meanwhile.
 */
export async function lockSchedule(transaction: Queries, id: string): Promise<Schedule> {
  const schedule = await selectSchedules(transaction)
    .where('analysisSchedules.id', '=', id)
    .forNoKeyUpdate('analysisSchedules')
    .executeTakeFirst()
  if (!schedule) throw scheduleGone()
  return schedule as Schedule
}

/** The answer when a schedule was there a moment ago. */
const scheduleGone = (): KilnError =>
  new KilnError('SCHEDULE_NOT_FOUND', 'the schedule was deleted meanwhile', {
    hint: 'run: kiln schedule list',
  })
