import { sql } from 'kysely'
import type { Queries } from '../database/index.ts'
import type { AnalysisDefinition, DeclaredSchedule } from './definition.ts'

/**
 * Makes a row of `analysis_schedules` of what a new version of a script declares. An operator's edit
 * of that row, also a deletion, stands until a version declares something else than the one before.
 * A script that declares none any more switches its schedule off.
 */
export async function storeDeclaredSchedule(
  transaction: Queries,
  analysis: { readonly id: string; readonly version: number },
  { schedule }: Pick<AnalysisDefinition, 'schedule'>,
): Promise<void> {
  const declared = schedule === undefined ? null : textOf(schedule)
  const row = await transaction
    .selectFrom('analysisSchedules')
    .select('id')
    .select(sql<boolean>`declared is not distinct from ${declared}::jsonb`.as('isSame'))
    .where('analysisId', '=', analysis.id)
    .where('origin', '=', 'script')
    .forUpdate()
    .executeTakeFirst()
  if (row?.isSame) return
  if (row) {
    await transaction
      .updateTable('analysisSchedules')
      .set(
        schedule === undefined
          ? { declared, enabled: false, pauseReason: 'the script declares no schedule any more' }
          : {
              declared,
              cronExpression: schedule.cron,
              timezone: schedule.timezone,
              enabled: schedule.isEnabled,
            },
      )
      .where('id', '=', row.id)
      .execute()
  } else if (schedule && !(await wasDeclared(transaction, analysis, schedule))) {
    await transaction
      .insertInto('analysisSchedules')
      .values({
        analysisId: analysis.id,
        cronExpression: schedule.cron,
        timezone: schedule.timezone,
        enabled: schedule.isEnabled,
        origin: 'script',
        declared,
      })
      // Two claims may read one script at a time.
      .onConflict((conflict) =>
        conflict.column('analysisId').where('origin', '=', 'script').doNothing(),
      )
      .execute()
  }
}

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
