/**
 * Backup sets: making, keeping, verifying and carrying them. A set is a folder whose manifest is
 * written last; `openSet` gives a sound manifest, `verifyObjects` proves what it names, and
 * `readObject` gives the plain bytes of one object. Restores build on these.
 */
export { type CreatedBackup, createBackup } from './create-backup.ts'
export { readPassphrase } from './encryption.ts'
export { claimFolder } from './drill-owner.ts'
export { type ExportedBackup, exportBackup } from './export-backup.ts'
export { type ImportedBackup, importBackup } from './import-backup.ts'
export { type ListedBackup, isGood, listBackups, showBackup } from './list-backups.ts'
export { type PruneOutcome, pruneBackups } from './prune-backups.ts'
export { type RetentionRules, defaultRetention } from './retention.ts'
export { type VerifyLevel, verifyLevels } from './verification.ts'
export {
  type Drill,
  type VerifiedBackup,
  type VerifyBackupInput,
  verifyBackup,
} from './verify-backup.ts'
export { fingerprintDatabase } from './fingerprint-database.ts'
export { type BackupKind, backupKinds, layout, setFolderOf } from './layout.ts'
export type { CreateBackupInput } from './making.ts'
export {
  type BackedUpDuckdb,
  type BackedUpDuckdbTable,
  type BackedUpPostgres,
  type BackedUpResult,
  type BackedUpTable,
  type BackupPart,
  type BackupProblem,
  type Manifest,
  type StoredObject,
  type TableObject,
  objectsOf,
} from './manifest.ts'
export type { BackupProgress, OnBackupProgress } from './progress.ts'
export { type DumpTool, findDumpTool, findNewestTool } from './postgres/find-dump-tool.ts'
export { toolEnvironment } from './postgres/tool-environment.ts'
export { type BackupSet, type OpenSetInput, openSet, requireReadable } from './open-set.ts'
export { isRestoredTable, ownTables } from './own-tables.ts'
export { type ArchiveEntry, readArchive } from './read-archive.ts'
export { damagedObject, objectFile, readObject } from './read-object.ts'
export { type LockRequest, type RepositoryLock, lockRepository } from './repository-lock.ts'
export { type Repository, ensureRepository, listSetIds, openRepository } from './repository.ts'
export { type VerifyFinding, type VerifyObjectsOptions, verifyObjects } from './verify-objects.ts'
