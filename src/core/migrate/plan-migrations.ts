import pg from 'pg'
import { compareLedger } from './compare-ledger.ts'
import { ledgerDefinition, ledgerExists, readLedger } from './ledger.ts'
import { findMigration, loadMigrations } from './load-migrations.ts'
import type { Migration } from './migration-file.ts'
import { programVersion } from './program-version.ts'
import { selectPending } from './select-pending.ts'
import { type MigrateContext, withSession } from './session.ts'
import { splitStatements } from './split-statements.ts'

export interface PlannedMigration {
  readonly version: string
  readonly name: string
  readonly isTransactional: boolean
  /** A script for psql that does what `up` would: the statements and the ledger's row. */
  readonly sql: string
}

export interface PlanInput {
  readonly migrationsFolder?: string | undefined
  readonly to?: string | undefined
  readonly allowOutOfOrder?: boolean | undefined
}

/**
 * What `migrateUp` would run, in order. Writes nothing and works on a replica.
 *
 * @throws KilnError what migrateUp refuses before it starts.
 */
export async function planMigrations(
  context: MigrateContext,
  input: PlanInput = {},
): Promise<readonly PlannedMigration[]> {
  const migrations = await loadMigrations(input.migrationsFolder)
  const to = input.to === undefined ? undefined : findMigration(migrations, input.to)
  return withSession(context, {}, async (session) => {
    const statuses = compareLedger(migrations, await readLedger(session))
    const hasLedger = await ledgerExists(session)
    return selectPending(statuses, { to, allowOutOfOrder: input.allowOutOfOrder }).map(
      ({ migration }, index) => ({
        version: migration.version,
        name: migration.name,
        isTransactional: migration.up.isTransactional,
        sql: scriptOf(migration, session.ledger, index === 0 && !hasLedger),
      }),
    )
  })
}

function scriptOf(migration: Migration, ledger: string, withLedger: boolean): string {
  const { version, name, checksum, up } = migration
  const literal = pg.escapeLiteral
  const record = `insert into ${ledger} (version, name, checksum, applied_at, program_version)
values (${[version, name, checksum].map(literal).join(', ')}, clock_timestamp(), ${literal(programVersion())});`
  return [
    `-- ${migration.fileName}`,
    ...(withLedger ? [`${ledgerDefinition(ledger)};`] : []),
    ...(up.isTransactional ? ['begin;'] : []),
    up.sql,
    // The last statement of a file may go without its semicolon, a script may not.
    ...(isClosed(up.sql) ? [] : [';']),
    record,
    ...(up.isTransactional ? ['commit;'] : []),
  ].join('\n')
}

function isClosed(sql: string): boolean {
  const last = splitStatements(sql).segments.findLast(({ statement }) => statement !== '')
  return last?.text.endsWith(';') ?? true
}
