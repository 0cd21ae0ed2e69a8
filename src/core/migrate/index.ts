/**
 * Migrations: plain SQL files, applied in order under one lock, each whole or not at all, and a
 * ledger that tells when a file or the schema is not what was applied. Every command asks
 * `checkSchema` before it trusts the tables.
 */
export { loadMigrations } from './load-migrations.ts'
export { migrateUp } from './migrate-up.ts'
export { acquireSchemaLock, releaseSchemaLock, schemaLock } from './schema-lock.ts'
