import { KilnError } from '../errors/index.ts'
import type { LedgerRow } from './ledger.ts'
import { compareVersions } from './load-migrations.ts'
import type { Migration } from './migration-file.ts'

/**
 * How a version stands: `pending` (a file, not applied), `empty` (the same, and nothing is written in
 * it yet), `applied`, `drifted` (applied, and the
 * file has been edited since), `missing_file` (applied, and its file is gone), `newer` (applied by
 * a newer program), `unfinished` (without a transaction, stopped half way).
 */
export type MigrationState =
  | 'pending'
  | 'empty'
  | 'applied'
  | 'drifted'
  | 'missing_file'
  | 'newer'
  | 'unfinished'

export interface MigrationStatus {
  readonly version: string
  readonly name: string
  readonly state: MigrationState
  readonly migration: Migration | undefined
  readonly row: LedgerRow | undefined
}

/** Sets files against ledger, lowest version first. */
export function compareLedger(
  migrations: readonly Migration[],
  ledger: readonly LedgerRow[],
): readonly MigrationStatus[] {
  const rows = new Map(ledger.map((row) => [BigInt(row.version), row]))
  const newest = migrations.at(-1)?.version ?? '0'
  const known = migrations.map((migration): MigrationStatus => {
    const row = rows.get(BigInt(migration.version))
    rows.delete(BigInt(migration.version))
    const { version, name } = migration
    return { version, name, state: stateOf(migration, row), migration, row }
  })
  const unknown = [...rows.values()].map((row): MigrationStatus => {
    const state = compareVersions(row.version, newest) > 0 ? 'newer' : 'missing_file'
    return { version: row.version, name: row.name, state, migration: undefined, row }
  })
  return [...known, ...unknown].sort((a, b) => compareVersions(a.version, b.version))
}

function stateOf(migration: Migration, row: LedgerRow | undefined): MigrationState {
  if (!row) return migration.up.statements.length === 0 ? 'empty' : 'pending'
  if (row.state !== 'applied') return 'unfinished'
  return row.checksum === migration.checksum ? 'applied' : 'drifted'
}

/** The error for a database that a newer program has migrated; undefined when none has. */
export function newerError(statuses: readonly MigrationStatus[]): KilnError | undefined {
  const newer = statuses.filter((status) => status.state === 'newer')
  return newer.length > 0 ? schemaNewer(newer.map((status) => status.version)) : undefined
}

export function schemaNewer(versions: readonly string[]): KilnError {
  return new KilnError(
    'SCHEMA_NEWER',
    `the database schema is newer than this program: it has migration ${versions.join(', ')}`,
    {
      hint: 'use the newer version of Kiln; it reverts with: kiln migrate down',
      details: { versions },
    },
  )
}

/** The error for files that no longer are what was applied; undefined when there are none. */
export function driftError(statuses: readonly MigrationStatus[]): KilnError | undefined {
  const edited = statuses.filter((status) => status.state === 'drifted')
  const missing = statuses.filter((status) => status.state === 'missing_file')
  const [first] = [...edited, ...missing]
  if (!first) return undefined
  const messages = [
    ...edited.map(({ migration }) => `${migration?.fileName} was changed after it was applied`),
    ...missing.map(({ version, name }) => `the file of applied ${version}_${name} is missing`),
  ]
  const accept =
    first.state === 'drifted'
      ? `--accept-checksum ${first.version}`
      : `--mark reverted ${first.version}`
  return new KilnError('MIGRATION_DRIFT', messages.join('; '), {
    hint: `restore the file and make a new migration of the change (kiln migrate create NAME); if the database is right as it is: kiln migrate repair ${accept} --reason TEXT`,
    details: {
      edited: edited.map(({ migration }) => migration?.fileName),
      missing: missing.map(({ version }) => version),
    },
  })
}
