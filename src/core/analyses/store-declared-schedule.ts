import { sql } from 'kysely'
import { recordAudit } from '../audit/index.ts'
import type { Operator } from '../context.ts'
import type { Queries } from '../database/index.ts'
import type { Analysis } from './analysis.ts'
import type { AnalysisDefinition, DeclaredSchedule } from './definition.ts'
import { scheduleState, scheduleStateColumns } from './schedule-state.ts'

/**
 * Makes a row of `analysis_schedules` of what a new version of a script declares. An operator's edit
 * of that row, also a deletion, stands until a version declares something else than the one before.
 * A script that declares none any more switches its schedule off. What an operator did so by a command
 * has its audit row; what came by SQL has no operator.
 */
export async function storeDeclaredSchedule(
  transaction: Queries,
  operator: Operator | undefined,
  analysis: Pick<Analysis, 'id' | 'version' | 'projectId' | 'name'>,
  { schedule }: Pick<AnalysisDefinition, 'schedule'>,
): Promise<void> {
  const declared = schedule === undefined ? null : textOf(schedule)
  const row = await transaction
    .selectFrom('analysisSchedules')
    .select(['id', ...scheduleStateColumns])
    .select(sql<boolean>`declared is not distinct from ${declared}::jsonb`.as('isSame'))
    .where('analysisId', '=', analysis.id)
    .where('origin', '=', 'script')
    // As firing: what refers to it, as a job does, need not wait.
    .forNoKeyUpdate()
    .executeTakeFirst()
  if (row?.isSame) return
  if (!row && (!schedule || (await wasDeclared(transaction, analysis, schedule)))) return
  const stored = row
    ? await change(transaction, row.id, declared, schedule)
    : schedule && (await insert(transaction, analysis.id, declared, schedule))
  if (!stored || !operator) return
  await recordAudit(transaction, operator, {
    action: schedule ? 'schedule.set' : 'schedule.disable',
    targetType: 'schedule',
    targetId: stored.id,
    targetName: `${analysis.projectId}/${analysis.name}`,
    before: row && scheduleState(row),
    after: scheduleState(stored),
    details: {
      ...(schedule
        ? { cron: schedule.cron, timezone: schedule.timezone, is_new: !row }
        : { reason: notDeclared }),
      declared_by_version: analysis.version,
    },
  })
}

const notDeclared = 'the script declares no schedule any more'

const change = (
  transaction: Queries,
  id: string,
  declared: string | null,
  schedule: DeclaredSchedule | undefined,
) =>
  transaction
    .updateTable('analysisSchedules')
    .set(
      schedule === undefined
        ? { declared, enabled: false, pauseReason: notDeclared }
        : {
            declared,
            cronExpression: schedule.cron,
            timezone: schedule.timezone,
            enabled: schedule.isEnabled,
          },
    )
    .where('id', '=', id)
    .returning(['id', ...scheduleStateColumns])
    .executeTakeFirst()

/** Undefined when another has made it: two claims may read one script at a time. */
const insert = (
  transaction: Queries,
  analysisId: string,
  declared: string | null,
  schedule: DeclaredSchedule,
) =>
  transaction
    .insertInto('analysisSchedules')
    .values({
      analysisId,
      cronExpression: schedule.cron,
      timezone: schedule.timezone,
      enabled: schedule.isEnabled,
      origin: 'script',
      declared,
    })
    .onConflict((conflict) =>
      conflict.column('analysisId').where('origin', '=', 'script').doNothing(),
    )
    .returning(['id', ...scheduleStateColumns])
    .executeTakeFirst()

const textOf = ({ cron, timezone, isEnabled }: DeclaredSchedule): string =>
  JSON.stringify({ cron, timezone, enabled: isEnabled })

/** True when the version before declared the same, and so the row was deleted on purpose. */
async function wasDeclared(
  transaction: Queries,
  { id, version }: { readonly id: string; readonly version: number },
  schedule: DeclaredSchedule,
): Promise<boolean> {
  const before = await transaction
    .selectFrom('analysisVersions')
    .select(sql<DeclaredSchedule | null>`definition -> 'schedule'`.as('schedule'))
    .where('analysisId', '=', id)
    .where('versionNumber', '<', version)
    .orderBy('versionNumber', 'desc')
    .limit(1)
    .executeTakeFirst()
  return before?.schedule ? textOf(before.schedule) === textOf(schedule) : false
}
