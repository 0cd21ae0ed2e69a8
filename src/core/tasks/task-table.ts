import { aggregateJobs } from './aggregate-jobs.ts'
import { refreshViews } from './refresh-views.ts'
import type { SystemTask } from './task.ts'

/** Every system task, a row each. Modules of tasks are loaded when a task runs, not before. */
export const systemTasks: readonly SystemTask[] = [
  {
    name: 'backup',
    setting: 'backupSchedule',
    scope: 'files',
    run: async (context) => (await import('./run-backups.ts')).runBackup(context),
  },
  {
    name: 'verify',
    setting: 'backupVerifySchedule',
    scope: 'files',
    run: async (context) => (await import('./run-backups.ts')).runVerify(context),
  },
  {
    name: 'prune',
    setting: 'backupPruneSchedule',
    scope: 'files',
    run: async (context) => (await import('./run-backups.ts')).runPrune(context),
  },
  {
    name: 'cleanup',
    setting: 'cleanupSchedule',
    scope: 'files',
    run: async (context) => (await import('./run-cleanup.ts')).runCleanup(context),
  },
  {
    name: 'statistics',
    setting: 'aggregationSchedule',
    scope: 'rows',
    run: async (context) => ({ ...(await aggregateJobs(context)) }),
  },
  {
    name: 'refresh',
    setting: 'viewRefreshSchedule',
    scope: 'rows',
    run: async (context) => ({ ...(await refreshViews(context)) }),
  },
]
