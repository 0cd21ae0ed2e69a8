/**
 * Restores: rows are loaded beside the live tables, proven there, and put into their place in one
 * transaction; files are written and opened beside their place, then renamed under a journal. Killed
 * at any point the live data is that of before or that of the backup.
 */
export { type DroppedOld, dropOldTables } from './drop-old.ts'
export { type RestoredWhole, checkWhole, restoreWhole } from './restore-whole.ts'
export { drillSet } from './drill-set.ts'
export type { Dependents } from './postgres/dependents.ts'
export { releaseHeldJobs } from './postgres/release-held-jobs.ts'
export type { RestoreRecord } from './postgres/restore-record.ts'
export type { OnRestoreProgress, OnRestoreStep, RestoreProgress, RestoreStep } from './progress.ts'
export {
  type DumpPlan,
  type RestoreDumpInput,
  type RestoredDump,
  planDump,
  restoreDump,
} from './restore-dump.ts'
export { type RestoreTarget, findRestoreTarget } from './restore-target.ts'
export { type UndoneRestore, lastRestore, undoRestore } from './undo-restore.ts'
export { type ResumedTables, resumeTables } from './resume-tables.ts'
export {
  type RestoreSetInput,
  type RestoredSet,
  type SetPlan,
  planSet,
  restoreSet,
} from './restore-set.ts'
export {
  type DatabasesSource,
  type RestoreDatabasesInput,
  type RestoredDatabases,
  restoreDatabases,
} from './restore-databases.ts'
export {
  type KeptDatabases,
  type SettledDatabases,
  keptDatabases,
  lastDatabasesRestore,
  resumeDatabases,
  undoDatabases,
} from './undo-databases.ts'
export { type DatabasesPlan, planDatabases } from './plan-databases.ts'
