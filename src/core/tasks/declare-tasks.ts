import { type RawBuilder, sql } from 'kysely'
import type { Context } from '../context.ts'
import { parseRule, zoneOffsets } from '../cron/index.ts'
import { type SettingDefinition, type Settings, settingTable } from '../config/index.ts'
import { type Queries, repeatedTransaction } from '../database/index.ts'
import { KilnError, messageOf } from '../errors/index.ts'
import type { SystemTask } from './task.ts'

/** A task whose setting is set, with its rule. */
export interface WantedTask {
  readonly task: SystemTask
  readonly cron: string
  readonly timezone: string
}

/**
 * The tasks that the settings ask for.
 *
 * @throws KilnError SETTING_INVALID for a rule that cannot be followed, naming the setting.
 */
export function wantedTasks(
  settings: Settings,
  tasks: readonly SystemTask[],
): readonly WantedTask[] {
  const timezone = settings.scheduleTimezone
  return tasks.flatMap((task) => {
    const cron = settings[task.setting]
    if (cron === undefined || cron.toLowerCase() === 'off') return []
    check(task.setting, () => parseRule(cron))
    check('scheduleTimezone', () => zoneOffsets(timezone))
    return [{ task, cron, timezone }]
  })
}

function check(key: keyof typeof settingTable, read: () => unknown): void {
  try {
    read()
  } catch (error) {
    const { name }: SettingDefinition<unknown> = settingTable[key]
    throw new KilnError('SETTING_INVALID', `${name}: ${messageOf(error)}`, {
      hint: `correct ${name}, or unset it; try a rule: kiln schedule next --cron "0 3 * * *"`,
      cause: error,
    })
  }
}

/** A task that this process takes part in, by the id of its schedule. */
export type DeclaredTasks = ReadonlyMap<string, SystemTask>

/**
 * Makes system schedules of what the settings ask for. What an operator changed of one, as by
 * switching it off, stands until the setting says something else than before.
 */
export async function declareTasks(
  { database }: Pick<Context, 'database'>,
  wanted: readonly WantedTask[],
  dataFolderId: string,
): Promise<DeclaredTasks> {
  const declared = new Map<string, SystemTask>()
  if (wanted.length === 0) return declared
  await repeatedTransaction(database.queries, async (transaction) => {
    // Instances that start together would make a schedule each.
    await sql`select pg_advisory_xact_lock(hashtext('kiln_declare_tasks'), 0)`.execute(transaction)
    for (const one of wanted) {
      const folderId = one.task.scope === 'files' ? dataFolderId : ''
      declared.set(await declare(transaction, one, folderId), one.task)
    }
  })
  return declared
}

async function declare(
  transaction: Queries,
  { task, cron, timezone }: WantedTask,
  dataFolderId: string,
): Promise<string> {
  const declaration = JSON.stringify({ cron, timezone })
  const known = await transaction
    .selectFrom('analysisTasks')
    .innerJoin('analysisSchedules', 'analysisSchedules.id', 'analysisTasks.scheduleId')
    .select('analysisSchedules.id')
    .select(sql<boolean>`declared is not distinct from ${declaration}::jsonb`.as('isSame'))
    .where('task', '=', task.name)
    .where('dataFolderId', '=', dataFolderId)
    .executeTakeFirst()
  if (known?.isSame) return known.id
  const rule = { cronExpression: cron, timezone, declared: declaration }
  if (known) {
    await transaction
      .updateTable('analysisSchedules')
      .set(rule)
      .where('id', '=', known.id)
      .execute()
    return known.id
  }
  const { id } = await transaction
    .insertInto('analysisSchedules')
    .values({ ...rule, origin: 'system' })
    .returning('id')
    .executeTakeFirstOrThrow()
  await transaction
    .insertInto('analysisTasks')
    .values({ scheduleId: id, task: task.name, dataFolderId })
    .execute()
  return id
}

/** Says that a service takes part in these. False when one of them has been deleted. */
export const attendTasks = (
  { database }: Pick<Context, 'database'>,
  scheduleIds: readonly string[],
): Promise<boolean> => setAttended(database.queries, scheduleIds, sql`now()`)

/** Takes that back; another service that takes part says so again within its next round. */
export async function leaveTasks(
  { database }: Pick<Context, 'database'>,
  scheduleIds: readonly string[],
): Promise<void> {
  await setAttended(database.queries, scheduleIds, sql`now() - interval '3 minutes'`)
}

/** True when all of them are there. */
async function setAttended(
  queries: Queries,
  scheduleIds: readonly string[],
  at: RawBuilder<unknown>,
): Promise<boolean> {
  // Locked in their order: each update moves rows, and services that say so at the same moment would
  // come upon them in different orders and wait for each other.
  const { numAffectedRows = 0n } = await sql`
    with attended as (
      select schedule_id from analysis_tasks
      where schedule_id = any(${scheduleIds as string[]}::uuid[])
      order by schedule_id
      for no key update
    )
    update analysis_tasks
    set attended_at = ${at}
    from attended
    where analysis_tasks.schedule_id = attended.schedule_id
  `.execute(queries)
  return Number(numAffectedRows) === scheduleIds.length
}
