import { sql } from 'kysely'
import { nextOccurrence, parseRule, zoneOffsets } from '../cron/index.ts'
import type { Queries } from '../database/index.ts'

export interface ScheduleRule {
  readonly cronExpression: string
  readonly timezone: string
}

/** Version of the time zone data that this process computes with. */
export const zoneDataVersion: string = process.versions.tz ?? 'unknown'

/**
 * The first occurrence of a rule after an instant, RFC 3339; null at the end of the calendar.
 *
 * @throws KilnError CRON_INVALID, TIMEZONE_INVALID: a row may have been edited by hand.
 */
export function nextRunAfter(rule: ScheduleRule, afterMs: number): string | null {
  const next = nextOccurrence(parseRule(rule.cronExpression), zoneOffsets(rule.timezone), afterMs)
  return next ? new Date(next.atMs).toISOString() : null
}

/** From where a rule goes on that was set or resumed: never back behind what was decided on. */
export const startOf = (nowMs: number, lastScheduledFor: string | null): number =>
  lastScheduledFor === null ? nowMs : Math.max(nowMs, Date.parse(lastScheduledFor))

/** The database's clock, by which schedules fire. */
export async function databaseNow(queries: Queries): Promise<string> {
  const { rows } = await sql<{ now: string }>`select now() as now`.execute(queries)
  return rows[0]?.now ?? ''
}
