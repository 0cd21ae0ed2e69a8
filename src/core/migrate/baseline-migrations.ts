import { KilnError } from '../errors/index.ts'
import { ledgerDefinition, readLedger } from './ledger.ts'
import { compareVersions, findMigration, loadMigrations } from './load-migrations.ts'
import { type ChangeInput, lockOptions } from './migrate-up.ts'
import { programVersion } from './program-version.ts'
import { recordChange } from './record-change.ts'
import { type MigrateContext, withSession } from './session.ts'

/**
 * Records all migrations up to a version as applied without running them, for a database whose
 * schema was made by other means. Returns their versions.
 *
 * @throws KilnError MIGRATION_BASELINE_REFUSED if the ledger has rows, MIGRATION_NOT_FOUND.
 */
export async function baselineMigrations(
  context: MigrateContext,
  input: ChangeInput & { readonly version: string },
): Promise<readonly string[]> {
  const migrations = await loadMigrations(input.migrationsFolder)
  const last = findMigration(migrations, input.version)
  return withSession(context, { lock: lockOptions(input) }, async (session) => {
    await session.query('begin')
    await session.query(ledgerDefinition(session.ledger))
    const ledger = await readLedger(session)
    if (ledger.length > 0) {
      const newest = ledger
        .map((row) => row.version)
        .toSorted(compareVersions)
        .at(-1)
      throw new KilnError(
        'MIGRATION_BASELINE_REFUSED',
        `migrations up to ${newest} are recorded already`,
        { hint: 'correct single ones with: kiln migrate repair --mark applied VERSION' },
      )
    }
    const selected = migrations.filter(({ version }) => compareVersions(version, last.version) <= 0)
    for (const { version, name, checksum } of selected) {
      await session.query(
        `insert into ${session.ledger} (version, name, checksum, applied_at, program_version)
         values ($1, $2, $3, now(), $4)`,
        [version, name, checksum, programVersion()],
      )
    }
    await recordChange(session, 'migration.baseline', last)
    await session.query('commit')
    return selected.map(({ version }) => version)
  })
}
