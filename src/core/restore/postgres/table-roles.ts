/**
 * What a restore does with each of Kiln's tables. Every table of the schema is in one of these lists; a
 * test fails for a new one that is in none.
 */

/** Replaced by what the backup holds. In an order in which each refers to earlier ones only. */
export const restoredTables = [
  'projects',
  'analyses',
  'analysis_versions',
  'analysis_dependencies',
  'analysis_datasources',
  'analysis_metadata',
  'analysis_schedules',
  'analysis_schedule_occurrences',
  'analysis_schedule_runs',
  'analysis_tasks',
  'analysis_task_runs',
  'analysis_jobs',
  'analysis_job_past_attempts',
  'analysis_job_logs',
  'analysis_result_storage',
  'analysis_job_statistics',
  'analysis_counters',
] as const

/** What is going on at a moment: nothing of it is true after a restore. */
export const emptiedTables = [
  // Its entries come back with the jobs that --release lets go.
  'analysis_job_queue',
  'analysis_leases',
  'analysis_slot_requests',
  'analysis_database_holds',
] as const

/** They tell of this database and its processes, not of its data. */
export const keptTables = [
  'analysis_executors',
  'analysis_backups',
  'analysis_audit_log',
  'analysis_audit_head',
  'analysis_restores',
  'kiln_migrations',
] as const

/** Views over them, which name them by what they are and not by their names. */
export const ownViews = ['analysis_job_attempts', 'analysis_database_users'] as const

export type RestoredTable = (typeof restoredTables)[number]

/** All that take part in the exchange. */
export const exchangedTables: readonly string[] = [...restoredTables, ...emptiedTables]

export const isRestoredTable = (name: string): name is RestoredTable =>
  (restoredTables as readonly string[]).includes(name)
