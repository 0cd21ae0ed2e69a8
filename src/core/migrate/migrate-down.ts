import { KilnError } from '../errors/index.ts'
import { revertMigration } from './apply-migration.ts'
import { type MigrationStatus, compareLedger, driftError, newerError } from './compare-ledger.ts'
import { type LedgerRow, readLedger } from './ledger.ts'
import { compareVersions, loadMigrations } from './load-migrations.ts'
import { type AppliedMigration, type ChangeInput, lockOptions } from './migrate-up.ts'
import type { Migration } from './migration-file.ts'
import { defaultLockPolicy } from './progress.ts'
import { type MigrateContext, withSession } from './session.ts'

export interface DownInput extends ChangeInput {
  /** How many migrations to revert, newest first; 1 if neither this nor `to` is given. */
  readonly steps?: number | undefined
  /** The version that stays the newest applied one; `0` reverts all. */
  readonly to?: string | undefined
}

/**
 * Reverts migrations, newest first; returns them in that order. Looks at all of them before it
 * touches the first. Data that only the reverted schema could hold is gone.
 *
 * @throws KilnError MIGRATION_IRREVERSIBLE if one has no down part, MIGRATION_DRIFT if one is not
 * what was applied, and what migrateUp throws.
 */
export async function migrateDown(
  context: MigrateContext,
  input: DownInput = {},
): Promise<readonly AppliedMigration[]> {
  const { onProgress } = input
  const migrations = await loadMigrations(input.migrationsFolder)
  const policy = { ...defaultLockPolicy, ...input.lockPolicy }
  return withSession(context, { lock: lockOptions(input) }, async (session) => {
    const statuses = compareLedger(migrations, await readLedger(session))
    const reverted: AppliedMigration[] = []
    for (const { migration, row } of selectReverting(statuses, input)) {
      const { version, name } = migration
      onProgress?.({ kind: 'started', version, name })
      const executionTimeMs = await revertMigration({
        session,
        migration,
        row,
        policy,
        onProgress,
      })
      onProgress?.({ kind: 'finished', version, name, executionTimeMs })
      reverted.push({ version, name, executionTimeMs })
    }
    return reverted
  })
}

interface Reverting {
  readonly migration: Migration
  readonly row: LedgerRow
}

function selectReverting(
  statuses: readonly MigrationStatus[],
  input: DownInput,
): readonly Reverting[] {
  const newer = newerError(statuses)
  if (newer) throw newer
  const inLedger = statuses.filter((status) => status.row !== undefined).toReversed()
  const { to } = input
  if (to !== undefined && !isKnown(to, statuses)) {
    throw new KilnError('MIGRATION_NOT_FOUND', `migration ${to} is not applied`, {
      hint: 'run: kiln migrate status',
    })
  }
  const selected =
    to === undefined
      ? inLedger.slice(0, input.steps ?? 1)
      : inLedger.filter(({ version }) => compareVersions(version, to) > 0)
  const drift = driftError(selected)
  if (drift) throw drift
  return selected.map(({ version, name, migration, row }) => {
    if (row?.state === 'applying') {
      throw new KilnError('MIGRATION_UNFINISHED', `applying ${version}_${name} stopped half way`, {
        hint: 'finish it: kiln migrate',
      })
    }
    if (!migration?.down || !row) {
      throw new KilnError(
        'MIGRATION_IRREVERSIBLE',
        `${version}_${name} has no down part; nothing was reverted`,
        { hint: 'restore a backup of the time before it, or write a new migration' },
      )
    }
    return { migration, row }
  })
}

function isKnown(version: string, statuses: readonly MigrationStatus[]): boolean {
  if (!/^\d+$/.test(version)) return false
  if (BigInt(version) === 0n) return true
  return statuses.some(
    (status) => status.row !== undefined && compareVersions(status.version, version) === 0,
  )
}
