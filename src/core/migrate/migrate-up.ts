import { KilnError } from '../errors/index.ts'
import { applyMigration } from './apply-migration.ts'
import { type MigrationStatus, compareLedger, driftError, refuseNewer } from './compare-ledger.ts'
import { ledgerDefinition, readLedger } from './ledger.ts'
import { compareVersions, loadMigrations } from './load-migrations.ts'
import type { Migration } from './migration-file.ts'
import { type LockPolicy, type OnProgress, defaultLockPolicy } from './progress.ts'
import type { LockHolder } from './schema-lock.ts'
import { type MigrateContext, withSession } from './session.ts'

/** Patience for another migration, backup or restore that is under way. */
export const defaultLockTimeoutMs = 10_000

export interface ChangeInput {
  /** Other than Kiln's own migrations. */
  readonly migrationsFolder?: string | undefined
  readonly lockTimeoutMs?: number | undefined
  readonly onProgress?: OnProgress | undefined
  readonly lockPolicy?: Partial<LockPolicy> | undefined
}

export interface UpInput extends ChangeInput {
  /** The last version to apply; the newest if absent. */
  readonly to?: string | undefined
  readonly allowOutOfOrder?: boolean | undefined
}

export interface AppliedMigration {
  readonly version: string
  readonly name: string
  readonly executionTimeMs: number
}

/**
 * Brings the schema up to date; returns what was applied, in order, nothing if it was. Safe to
 * repeat and to run twice at once: the second waits and finds nothing to do. If the process dies,
 * the migration it was in has left nothing, or is continued by the next run.
 *
 * @throws KilnError MIGRATION_FAILED, MIGRATION_DRIFT, MIGRATION_INVALID, MIGRATION_NOT_FOUND,
 * MIGRATION_OUT_OF_ORDER, MIGRATION_UNFINISHED, SCHEMA_NEWER, LOCK_TIMEOUT.
 */
export async function migrateUp(
  context: MigrateContext,
  input: UpInput = {},
): Promise<readonly AppliedMigration[]> {
  const { onProgress } = input
  const migrations = await loadMigrations(input.migrationsFolder)
  const to = input.to === undefined ? undefined : findMigration(migrations, input.to)
  return withSession(context, { lock: lockOptions(input) }, async (session) => {
    await session.query(ledgerDefinition)
    const statuses = compareLedger(migrations, await readLedger(session.client))
    const pending = selectPending(statuses, { to, allowOutOfOrder: input.allowOutOfOrder })
    const applied: AppliedMigration[] = []
    for (const { migration, row } of pending) {
      const { version, name } = migration
      onProgress?.({ kind: 'started', version, name })
      const policy = { ...defaultLockPolicy, ...input.lockPolicy }
      const executionTimeMs = await applyMigration({ session, migration, row, policy, onProgress })
      onProgress?.({ kind: 'finished', version, name, executionTimeMs })
      applied.push({ version, name, executionTimeMs })
    }
    return applied
  })
}

/** How every change waits for the schema lock. */
export function lockOptions(input: ChangeInput) {
  return {
    timeoutMs: input.lockTimeoutMs ?? defaultLockTimeoutMs,
    onWait: (holders: readonly LockHolder[]) =>
      input.onProgress?.({ kind: 'waiting_for_lock', holders }),
  }
}

/** @throws KilnError MIGRATION_NOT_FOUND. */
export function findMigration(migrations: readonly Migration[], version: string): Migration {
  const found = /^\d+$/.test(version)
    ? migrations.find((migration) => compareVersions(migration.version, version) === 0)
    : undefined
  if (found) return found
  throw new KilnError('MIGRATION_NOT_FOUND', `there is no migration ${version}`, {
    hint: 'run: kiln migrate status',
  })
}

type Pending = MigrationStatus & { readonly migration: Migration }

/**
 * What an `up` would run, in order.
 *
 * @throws KilnError SCHEMA_NEWER, MIGRATION_DRIFT, MIGRATION_OUT_OF_ORDER, MIGRATION_UNFINISHED.
 */
export function selectPending(
  statuses: readonly MigrationStatus[],
  options: { readonly to: Migration | undefined; readonly allowOutOfOrder: boolean | undefined },
): readonly Pending[] {
  refuseNewer(statuses)
  const drift = driftError(statuses)
  if (drift) throw drift
  const reverting = statuses.find((status) => status.row?.state === 'reverting')
  if (reverting) {
    throw new KilnError(
      'MIGRATION_UNFINISHED',
      `reverting ${reverting.version}_${reverting.name} stopped half way`,
      { hint: 'finish it: kiln migrate down --steps 1 --yes' },
    )
  }
  const { to } = options
  const pending = statuses.filter(
    (status): status is Pending =>
      status.migration !== undefined &&
      (status.state === 'pending' || status.state === 'unfinished') &&
      (to === undefined || compareVersions(status.version, to.version) <= 0),
  )
  const newest = statuses.findLast((status) => status.state === 'applied')
  const late = pending.filter(
    (status) =>
      status.state === 'pending' && newest && compareVersions(status.version, newest.version) < 0,
  )
  if (newest && late.length > 0 && !options.allowOutOfOrder) {
    throw new KilnError(
      'MIGRATION_OUT_OF_ORDER',
      `${late.map((status) => `${status.version}_${status.name}`).join(', ')} would run after ${newest.version}_${newest.name}, which was written later and is applied: the result may differ from that of other databases`,
      {
        hint: 'give it a number above, or if the order does not matter: kiln migrate --allow-out-of-order',
      },
    )
  }
  return pending
}
