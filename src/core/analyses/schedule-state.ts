import type { Selectable } from 'kysely'
import type { DB } from '../database/index.ts'

/** Columns of `scheduleState`. */
export const scheduleStateColumns = [
  'cronExpression',
  'timezone',
  'enabled',
  'parameters',
  'missedPolicy',
  'overlapPolicy',
  'catchUpWindowMs',
  'jitterMs',
  'pauseAfterFailures',
  'pauseReason',
] as const

type StateRow = Pick<Selectable<DB['analysisSchedules']>, (typeof scheduleStateColumns)[number]>

/** What the audit log hashes of a schedule: what an operator, or a script, sets of it. */
export const scheduleState = (schedule: StateRow) => ({
  cron: schedule.cronExpression,
  timezone: schedule.timezone,
  enabled: schedule.enabled,
  parameters: schedule.parameters,
  missed: schedule.missedPolicy,
  overlap: schedule.overlapPolicy,
  catch_up_window_ms: schedule.catchUpWindowMs,
  jitter_ms: schedule.jitterMs,
  pause_after_failures: schedule.pauseAfterFailures,
  pause_reason: schedule.pauseReason,
})
