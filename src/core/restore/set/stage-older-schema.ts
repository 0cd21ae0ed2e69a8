import type { BackedUpPostgres, BackupSet } from '../../backup/index.ts'
import { isConnectionLost, isPassing } from '../../database/index.ts'
import { KilnError } from '../../errors/index.ts'
import { loadMigrations } from '../../migrate/index.ts'
import { readLiveTables } from '../postgres/live-tables.ts'
import { type RestoreSession, quoted } from '../postgres/session.ts'
import { StagingLoader } from '../postgres/staging-loader.ts'
import { restoredTables } from '../postgres/table-roles.ts'
import { loadWithColumns } from './set-tables.ts'

/**
 * Carries rows of an older schema through the migrations that have come since: a schema of its own is
 * migrated up to what the set had, loaded, and migrated on, as a live database would have been. What
 * came of it is copied to the staged tables.
 */
export async function stageOlderSchema(
  session: RestoreSession,
  loader: StagingLoader,
  set: BackupSet,
  postgres: BackedUpPostgres,
): Promise<void> {
  const schema = `kiln_older_${process.pid}_${Date.now()}`
  const migrations = await loadMigrations()
  const had = new Set(postgres.migrations.map(({ version }) => BigInt(version)))
  const [before, after] = [
    migrations.filter(({ version }) => had.has(BigInt(version))),
    migrations.filter(({ version }) => !had.has(BigInt(version))),
  ]
  const run = async (statements: readonly { readonly sql: string }[]): Promise<void> => {
    for (const { sql } of statements) await session.query(sql)
  }
  try {
    await session.query(`create schema ${quoted(schema)}`)
    await session.query(`set search_path = ${quoted(schema)}`)
    for (const { up } of before) await run(up.statements)
    const tables = await readLiveTables({ ...session, live: schema }, [...restoredTables])
    // Rows come as they were: no trigger acts on them, and references are checked when all are there.
    for (const { name, foreignKeys } of tables) {
      await session.query(`alter table ${quoted(name)} disable trigger user`)
      for (const key of foreignKeys) {
        await session.query(`alter table ${quoted(name)} drop constraint ${quoted(key.name)}`)
      }
    }
    const older = loader.forTables(tables, schema)
    await loadWithColumns(session, older, set, postgres)
    await loader.addColumns(older.added)
    for (const { name, foreignKeys } of tables) {
      for (const key of foreignKeys) {
        await session.query(
          `alter table ${quoted(name)} add constraint ${quoted(key.name)} ${key.definition}`,
        )
      }
      await session.query(`alter table ${quoted(name)} enable trigger user`)
    }
    for (const { up } of after) await run(up.statements)
    const current = await readLiveTables({ ...session, live: schema }, [...restoredTables])
    await loader.copyFrom(session, current, schema)
  } catch (error) {
    if (error instanceof KilnError || isConnectionLost(error) || isPassing(error)) throw error
    throw new KilnError(
      'RESTORE_REFUSED',
      `the rows of ${set.id} cannot be carried through the migrations since: ${String(error)}`,
      { hint: `restore it with Kiln ${set.manifest.programVersion}, then migrate`, cause: error },
    )
  } finally {
    await session.cleanUp(`drop schema if exists ${quoted(schema)} cascade`)
    await session.cleanUp(`set search_path = ${quoted(session.live)}`)
  }
}
