import { type Database, databaseError } from '../database/index.ts'
import { KilnError, errorCodeOf } from '../errors/index.ts'
import { schemaNewer } from './compare-ledger.ts'
import { compareVersions, defaultMigrationsFolder, listMigrationFiles } from './load-migrations.ts'

/** The ledger is some dozens of rows: who has not answered by then is not there any more. */
const usualAnswerMs = 60_000

/**
 * One query that tells whether this program may work on the database: all of its migrations are
 * applied, and no others. Checksums are left to `verifyMigrations`.
 *
 * @throws KilnError SCHEMA_MISSING, SCHEMA_OUTDATED, SCHEMA_NEWER, or what connecting throws.
 */
export async function checkSchema(
  context: { readonly database: Pick<Database, 'pool' | 'target'> },
  migrationsFolder: string = defaultMigrationsFolder(),
  answerMs = usualAnswerMs,
): Promise<void> {
  const { pool, target } = context.database
  const question = { text: 'select version, state from kiln_migrations', query_timeout: answerMs }
  const [files, rows] = await Promise.all([
    listMigrationFiles(migrationsFolder),
    pool
      .query<{ version: string; state: string }>(question)
      .then((result) => result.rows)
      .catch((error: unknown) => {
        // undefined_table
        if (errorCodeOf(error) === '42P01') return []
        throw databaseError(error, target.label)
      }),
  ])
  const newest = files.at(-1)?.version ?? '0'
  const newer = rows.map(({ version }) => version).filter((v) => compareVersions(v, newest) > 0)
  if (newer.length > 0) throw schemaNewer(newer.toSorted(compareVersions))
  if (rows.length === 0) {
    throw new KilnError('SCHEMA_MISSING', `${target.label} has not been migrated`, {
      hint: 'run: kiln migrate',
    })
  }
  const applied = new Set(
    rows.filter(({ state }) => state === 'applied').map(({ version }) => BigInt(version)),
  )
  const missing = files.filter(({ version }) => !applied.has(BigInt(version)))
  if (missing.length > 0) {
    throw new KilnError(
      'SCHEMA_OUTDATED',
      `${target.label} lacks migration ${missing.map(({ version }) => version).join(', ')} of this program`,
      { hint: 'run: kiln migrate', details: { pending: missing.map(({ version }) => version) } },
    )
  }
}
