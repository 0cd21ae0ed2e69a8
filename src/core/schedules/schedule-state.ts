import type { Schedule } from './schedule.ts'

/** What an operator sets of a schedule, for the audit log to compare. */
export const scheduleState = (schedule: Schedule) => ({
  cron: schedule.cronExpression,
  timezone: schedule.timezone,
  enabled: schedule.enabled,
  parameters: schedule.parameters,
  missed: schedule.missedPolicy,
  overlap: schedule.overlapPolicy,
  catch_up_window_ms: schedule.catchUpWindowMs,
  jitter_ms: schedule.jitterMs,
  pause_after_failures: schedule.pauseAfterFailures,
})
