import { type MigrationStatus, compareLedger, driftError, newerError } from './compare-ledger.ts'
import type { KilnError } from '../errors/index.ts'
import { readLedger } from './ledger.ts'
import { loadMigrations } from './load-migrations.ts'
import { type MigrateContext, withSession } from './session.ts'

export interface StatusReport {
  readonly migrations: readonly MigrationStatus[]
  /** True when a migration is pending or unfinished. An empty file is neither: nothing would run. */
  readonly hasPending: boolean
  /** What makes the answer a no, whatever was asked: SCHEMA_NEWER or MIGRATION_DRIFT. */
  readonly error: KilnError | undefined
}

/**
 * How every migration stands, files and ledger together, lowest version first. Writes nothing and
 * takes no lock, so it works on a replica and while a migration runs.
 */
export async function migrationStatus(
  context: MigrateContext,
  input: { readonly migrationsFolder?: string | undefined } = {},
): Promise<StatusReport> {
  const migrations = await loadMigrations(input.migrationsFolder, { allowEmpty: true })
  const ledger = await withSession(context, {}, readLedger)
  const statuses = compareLedger(migrations, ledger)
  return {
    migrations: statuses,
    hasPending: statuses.some(({ state }) => state === 'pending' || state === 'unfinished'),
    error: newerError(statuses) ?? driftError(statuses),
  }
}
