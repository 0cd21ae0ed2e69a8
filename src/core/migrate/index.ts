/**
 * Migrations: plain SQL files, applied in order under one lock, each whole or not at all, and a
 * ledger that tells when a file or the schema is not what was applied. Every command asks
 * `checkSchema` before it trusts the tables.
 */
export { baselineMigrations } from './baseline-migrations.ts'
export { checkSchema } from './check-schema.ts'
export type { MigrationStatus } from './compare-ledger.ts'
export { createMigration } from './create-migration.ts'
export { expectedTables } from './expected-tables.ts'
export { loadMigrations } from './load-migrations.ts'
export { migrateDown } from './migrate-down.ts'
export { type AppliedMigration, migrateUp } from './migrate-up.ts'
export { migrationStatus } from './migration-status.ts'
export { planMigrations } from './plan-migrations.ts'
export type { MigrationProgress } from './progress.ts'
export { programVersion } from './program-version.ts'
export { readCatalogue } from './read-catalogue.ts'
export { repairMigrations } from './repair-migrations.ts'
export {
  acquireSchemaLock,
  describeHolders,
  holdersOf,
  releaseSchemaLock,
  schemaLock,
} from './schema-lock.ts'
export { type MigrateContext, openClient } from './session.ts'
export { splitStatements } from './split-statements.ts'
export { verifyMigrations } from './verify-migrations.ts'
