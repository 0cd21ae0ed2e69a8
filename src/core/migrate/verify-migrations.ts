import { type VerifyFinding, compareCatalogue } from './compare-catalogue.ts'
import { type MigrationStatus, compareLedger, driftError, newerError } from './compare-ledger.ts'
import type { KilnError } from '../errors/index.ts'
import { expectedSchema } from './expected-schema.generated.ts'
import { readLedger } from './ledger.ts'
import { loadMigrations } from './load-migrations.ts'
import { readCatalogue } from './read-catalogue.ts'
import { type MigrateContext, withSession } from './session.ts'

export interface VerifyReport {
  readonly findings: readonly VerifyFinding[]
  /** False while migrations are pending or belong to another program: there is nothing to compare with. */
  readonly isSchemaCompared: boolean
  /** The worst of the findings as an error that says how to mend it: SCHEMA_NEWER, MIGRATION_DRIFT. */
  readonly error: KilnError | undefined
}

/**
 * Compares files with the ledger, and the live schema with the one the migrations make: tables,
 * columns, indexes, constraints, triggers and functions that are missing, invalid, disabled or
 * different. What operators have added is no finding. Writes nothing.
 */
export async function verifyMigrations(
  context: MigrateContext,
  input: { readonly migrationsFolder?: string | undefined } = {},
): Promise<VerifyReport> {
  const migrations = await loadMigrations(input.migrationsFolder)
  return withSession(context, {}, async (session) => {
    const statuses = compareLedger(migrations, await readLedger(session))
    const findings = statuses.flatMap(findingOf)
    const isSchemaCompared =
      input.migrationsFolder === undefined &&
      !findings.some(({ kind }) => kind !== 'drifted' && kind !== 'missing_file')
    return {
      findings: isSchemaCompared
        ? [...findings, ...compareCatalogue(expectedSchema, await readCatalogue(session.client))]
        : findings,
      isSchemaCompared,
      error: newerError(statuses) ?? driftError(statuses),
    }
  })
}

const messages = {
  pending: 'has not been applied: run kiln migrate',
  unfinished: 'stopped half way: run kiln migrate',
  drifted: 'was changed after it was applied: restore the file',
  missing_file: 'was applied and its file is missing',
  newer: 'was applied by a newer version of Kiln',
} as const

function findingOf(status: MigrationStatus): readonly VerifyFinding[] {
  const { state } = status
  // A file without statements has been refused before this.
  if (state === 'applied' || state === 'empty') return []
  const object = `${status.version}_${status.name}`
  return [{ kind: state, object, message: `${object} ${messages[state]}` }]
}
