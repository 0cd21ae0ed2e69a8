/**
 * Tasks of Kiln itself: what they are, the system schedules that settings make of them, and their
 * runs, one at a time each. A new task is a row of `task-table.ts` and a setting. Firing is the
 * business of `schedules`, as for analyses.
 */
export { type Aggregation, aggregateJobs } from './aggregate-jobs.ts'
export { type WantedTask, wantedTasks } from './declare-tasks.ts'
export { type RefreshedViews, refreshViews } from './refresh-views.ts'
export type { SystemTask, TaskSetting } from './task.ts'
export { TaskRunner } from './task-runner.ts'
export { systemTasks } from './task-table.ts'
