/**
 * Cleanup: what is older than its retention goes, in small batches that leave the queue its room.
 * Rows go first and are committed, their files after, and only those of the own data folder: whoever
 * dies in between leaves files that the next cleanup recognises.
 */
export { cleanUp } from './clean-up.ts'
export { isOverdue } from './find-overdue.ts'
export {
  type CleanupInput,
  type CleanupItem,
  type CleanupKind,
  type CleanupReport,
  cleanupKinds,
} from './cleanup-report.ts'
