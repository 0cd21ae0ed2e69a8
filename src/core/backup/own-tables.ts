import { expectedTables } from '../migrate/index.ts'

/**
 * Tables that go into a set for people to read, and that a restore leaves as they are: they tell of
 * this database, of who works on it now, and of what was done to it.
 */
const notRestored: ReadonlySet<string> = new Set([
  'analysis_audit_head',
  'analysis_audit_log',
  'analysis_backups',
  'analysis_database_holds',
  'analysis_executors',
  'analysis_job_queue',
  'analysis_leases',
  'analysis_restores',
  'analysis_slot_requests',
  'kiln_migrations',
])

/** Kiln's own tables by name, also those of the ledger, of the schema that this program knows. */
export function ownTables(): readonly string[] {
  return [...expectedTables(), 'kiln_migrations'].toSorted()
}

export const isRestoredTable = (name: string): boolean => !notRestored.has(name)
