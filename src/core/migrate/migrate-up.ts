import { applyMigration } from './apply-migration.ts'
import { compareLedger } from './compare-ledger.ts'
import { ledgerDefinition, ledgerExists, readLedger } from './ledger.ts'
import { findMigration, loadMigrations } from './load-migrations.ts'
import { type LockPolicy, type OnProgress, defaultLockPolicy } from './progress.ts'
import type { LockHolder } from './schema-lock.ts'
import { selectPending } from './select-pending.ts'
import { type MigrateContext, withSession } from './session.ts'

/** Patience for another migration, backup or restore that is under way. */
const defaultLockTimeoutMs = 10_000

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
    // Asked first: "if not exists" still wants the privilege to create.
    if (!(await ledgerExists(session))) await session.query(ledgerDefinition(session.ledger))
    const statuses = compareLedger(migrations, await readLedger(session))
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
