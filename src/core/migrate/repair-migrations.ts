import { KilnError } from '../errors/index.ts'
import { compareLedger } from './compare-ledger.ts'
import { ledgerDefinition, readLedger } from './ledger.ts'
import { compareVersions, findMigration, loadMigrations } from './load-migrations.ts'
import { type ChangeInput, lockOptions } from './migrate-up.ts'
import { programVersion } from './program-version.ts'
import { recordChange } from './record-change.ts'
import { type MigrateContext, withSession } from './session.ts'

export interface RepairInput extends ChangeInput {
  readonly version: string
  /**
   * `accept-checksum`: the edited file is what was applied. `applied`, `reverted`: what the
   * operator has made of the schema by hand. None of them touches the schema.
   */
  readonly repair: 'accept-checksum' | 'applied' | 'reverted'
  /** Why, for the audit log. */
  readonly reason: string
}

/**
 * Corrects the ledger where the operator knows better, and writes that to the audit log in the same
 * transaction. `isAudited` is false only while the audit log itself is not migrated.
 *
 * @throws KilnError MIGRATION_NOT_FOUND if the version has no file (or no row) to work with.
 */
export async function repairMigrations(
  context: MigrateContext,
  input: RepairInput,
): Promise<{ readonly version: string; readonly name: string; readonly isAudited: boolean }> {
  const migrations = await loadMigrations(input.migrationsFolder)
  return withSession(context, { lock: lockOptions(input) }, async (session) => {
    await session.query('begin')
    await session.query(ledgerDefinition(session.ledger))
    const status = /^\d+$/.test(input.version)
      ? compareLedger(migrations, await readLedger(session)).find(
          ({ version }) => compareVersions(version, input.version) === 0,
        )
      : undefined
    if (input.repair !== 'applied' && !status?.row) {
      throw new KilnError('MIGRATION_NOT_FOUND', `migration ${input.version} is not applied`, {
        hint: 'run: kiln migrate status',
      })
    }
    const version = status?.row?.version ?? findMigration(migrations, input.version).version
    if (input.repair === 'reverted') {
      await session.query(`delete from ${session.ledger} where version = $1`, [version])
    } else {
      const { name, checksum } = findMigration(migrations, input.version)
      await session.query(
        `insert into ${session.ledger} as l (version, name, checksum, applied_at, program_version)
         values ($1, $2, $3, now(), $4)
         on conflict (version) do update
         set name = excluded.name, checksum = excluded.checksum, state = 'applied',
           applied_at = coalesce(l.applied_at, excluded.applied_at),
           statements_done = '{}', statement_running = null`,
        [version, name, checksum, programVersion()],
      )
    }
    const name = status?.name ?? ''
    const isAudited = await recordChange(
      session,
      'migration.repair',
      { version, name },
      {
        repair: input.repair,
        reason: input.reason,
        checksum_before: status?.row?.checksum ?? null,
        checksum_after: input.repair === 'reverted' ? null : (status?.migration?.checksum ?? null),
      },
    )
    await session.query('commit')
    return { version, name, isAudited }
  })
}
