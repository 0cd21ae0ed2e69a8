/**
 * Schedules: cron rules by which analyses run. Each occurrence of a rule is decided on once, by
 * whichever instance comes first, and the decision is kept with its reason.
 */
export { type ScheduleReference, getSchedule } from './get-schedule.ts'
export { nextOccurrencesOf } from './next-occurrences-of.ts'
export { type ScheduleFilter, type SchedulePage, listSchedules } from './list-schedules.ts'
export { type TaskRun, listTaskRuns } from './list-task-runs.ts'
export {
  type MissedPolicy,
  type OverlapPolicy,
  type Schedule,
  type SystemSchedule,
  missedPolicies,
  overlapPolicies,
  scheduleName,
} from './schedule.ts'
export {
  type ScheduleChanges,
  type SetSchedule,
  type SetScheduleInput,
  setSchedule,
} from './set-schedule.ts'
export { deleteSchedule, disableSchedule, enableSchedule } from './switch-schedule.ts'
export { type FireOptions, type FiredBatch, fireDueSchedules } from './fire-due-schedules.ts'
export { type ScheduleOutlook, lookAtSchedules } from './look-at-schedules.ts'
export { type PlanOptions, forgetOutdatedRuns, planNextRuns } from './plan-next-runs.ts'
export { setAsideFirstDue } from './due-schedule.ts'
export {
  type Backfill,
  type BackfillInput,
  type BackfillItem,
  backfillSchedule,
} from './backfill-schedule.ts'
export {
  type OccurrenceFilter,
  type OccurrencePage,
  type OccurrenceRecord,
  listOccurrences,
} from './list-occurrences.ts'
export { type TriggeredRun, triggerSchedule } from './trigger-schedule.ts'
