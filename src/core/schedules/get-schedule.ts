import { type Analysis, getAnalysis, isAnalysisId } from '../analyses/index.ts'
import type { Context } from '../context.ts'
import { KilnError } from '../errors/index.ts'
import type { Schedule } from './schedule.ts'
import { selectSchedules } from './select-schedules.ts'

/** A schedule by its id, or by the name or id of the one analysis that it runs. */
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
  const analysis = await getAnalysis(context, { idOrName: reference, projectId })
  const schedules = await schedulesOf(context, analysis.id)
  const [schedule] = schedules
  if (!schedule) return { analysis }
  if (schedules.length === 1) return { schedule }
  const ids = schedules.map(({ id }) => id)
  throw new KilnError(
    'SCHEDULE_AMBIGUOUS',
    `the analysis "${analysis.name}" has ${ids.length} schedules`,
    { hint: `name one by its id: ${ids.slice(0, 5).join(', ')}`, details: { ids } },
  )
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

/** The answer when a schedule was there a moment ago. */
export const scheduleGone = (): KilnError =>
  new KilnError('SCHEDULE_NOT_FOUND', 'the schedule was deleted meanwhile', {
    hint: 'run: kiln schedule list',
  })
