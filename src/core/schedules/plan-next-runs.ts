import { sql } from 'kysely'
import type { Context } from '../context.ts'
import type { Queries } from '../database/index.ts'
import { messageOf } from '../errors/index.ts'
import { nextRunAfter, startOf, zoneDataVersion } from './next-run.ts'

interface UnplannedSchedule {
  readonly id: string
  readonly cronExpression: string
  readonly timezone: string
  readonly lastScheduledFor: string | null
  readonly hasRuleError: boolean
  readonly now: string
}

interface Plan {
  readonly id: string
  readonly nextRunAt: string | null
  readonly ruleError: string | null
}

export interface PlanOptions {
  readonly limit?: number
  /** RFC 3339; stands for the database's clock in tests. */
  readonly now?: string | undefined
}

/**
 * Computes the next run of schedules that have none: new ones, edited ones, and those whose rule
 * could not be followed, which is tried again every few minutes. A rule that cannot be followed is
 * an error on its row and stops nothing. Returns how many were looked at.
 */
export async function planNextRuns(
  { database }: Pick<Context, 'database'>,
  { limit = 500, now }: PlanOptions = {},
): Promise<number> {
  return database.queries.transaction().execute(async (transaction) => {
    const { rows } = await sql<UnplannedSchedule>`
      select id, cron_expression, timezone, last_scheduled_for,
        rule_error is not null as has_rule_error, coalesce(${now ?? null}::timestamptz, now()) as now
      from analysis_schedules
      where enabled
        and next_run_at is null
        and (rule_error_at is null or rule_error_at < now() - interval '5 minutes')
      order by rule_error_at nulls first
      limit ${limit}
      for no key update skip locked
    `.execute(transaction)
    await writePlans(transaction, rows.map(planOne))
    return rows.length
  })
}

function planOne(schedule: UnplannedSchedule): Plan {
  const { id, lastScheduledFor, hasRuleError } = schedule
  // One that recovers by itself makes good what it missed; one that was edited goes on from now.
  const afterMs =
    hasRuleError && lastScheduledFor !== null
      ? Date.parse(lastScheduledFor)
      : startOf(Date.parse(schedule.now), lastScheduledFor)
  try {
    const nextRunAt = nextRunAfter(schedule, afterMs)
    return { id, nextRunAt, ruleError: nextRunAt === null ? 'it never fires again' : null }
  } catch (error) {
    return { id, nextRunAt: null, ruleError: messageOf(error) }
  }
}

async function writePlans(transaction: Queries, plans: readonly Plan[]): Promise<void> {
  if (plans.length === 0) return
  await sql`
    update analysis_schedules schedule
    set next_run_at = plan.next_run_at,
      rule_error = plan.rule_error,
      rule_error_at = case when plan.rule_error is not null then now() end,
      zone_data = ${zoneDataVersion}
    from unnest(
      ${plans.map(({ id }) => id)}::uuid[],
      ${plans.map(({ nextRunAt }) => nextRunAt)}::timestamptz[],
      ${plans.map(({ ruleError }) => ruleError)}::text[]
    ) as plan (id, next_run_at, rule_error)
    where schedule.id = plan.id
  `.execute(transaction)
}

/**
 * Lets next runs be computed anew that older time zone data gave, and which are not due yet. Done
 * when a service starts: the data changes with the program. Returns how many there were.
 */
export async function forgetOutdatedRuns({ database }: Pick<Context, 'database'>): Promise<number> {
  const { numUpdatedRows } = await database.queries
    .with('outdated', (queries) =>
      queries
        .selectFrom('analysisSchedules')
        .select('id')
        .where('enabled', '=', true)
        .where('nextRunAt', '>', sql<string>`now()`)
        .where('timezone', '<>', 'UTC')
        .where('zoneData', '<', zoneDataVersion)
        // All services that were updated do this as they start: none waits for another for ever.
        .orderBy('id')
        .forNoKeyUpdate(),
    )
    .updateTable('analysisSchedules')
    .from('outdated')
    .set({ nextRunAt: null })
    .whereRef('analysisSchedules.id', '=', 'outdated.id')
    .executeTakeFirst()
  return Number(numUpdatedRows)
}
