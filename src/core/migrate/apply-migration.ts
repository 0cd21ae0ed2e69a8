import { recordChange } from './record-change.ts'
import type { LedgerRow } from './ledger.ts'
import { liftStatementTimeout } from './lift-statement-timeout.ts'
import type { Migration } from './migration-file.ts'
import type { LockPolicy, OnProgress } from './progress.ts'
import { programVersion } from './program-version.ts'
import { runInTransaction } from './run-in-transaction.ts'
import { runWithoutTransaction } from './run-without-transaction.ts'
import type { Session } from './session.ts'

export interface MigrationRun {
  readonly session: Session
  readonly migration: Migration
  /** The ledger's row, if there is one: always when reverting, and for an unfinished migration. */
  readonly row: LedgerRow | undefined
  readonly policy: LockPolicy
  readonly onProgress: OnProgress | undefined
}

/** Applies one migration and writes its ledger row. Returns the time it took, in milliseconds. */
export async function applyMigration(run: MigrationRun): Promise<number> {
  const { session, migration } = run
  const { version, name, checksum } = migration
  const startedAt = performance.now()
  const elapsedMs = (): number => Math.round(performance.now() - startedAt)
  await prepareSession(session, run.policy)
  if (migration.up.isTransactional) {
    await runInTransaction({
      ...run,
      statements: migration.up.statements,
      outcome: 'nothing of this migration was kept',
      after: async () => {
        await session.query(
          `insert into ${session.ledger}
             (version, name, checksum, applied_at, execution_time_ms, program_version)
           values ($1, $2, $3, clock_timestamp(), $4, $5)`,
          [version, name, checksum, elapsedMs(), programVersion()],
        )
        await recordChange(session, 'migration.apply', migration)
      },
    })
    return elapsedMs()
  }
  await runWithoutTransaction({
    ...run,
    part: migration.up,
    finish: async () => {
      await session.query(
        `update ${session.ledger}
         set state = 'applied', checksum = $2, applied_at = clock_timestamp(),
           execution_time_ms = $3, program_version = $4,
           statements_done = '{}', statement_running = null
         where version = $1`,
        [version, checksum, elapsedMs(), programVersion()],
      )
      await recordChange(session, 'migration.apply', migration)
    },
  })
  return elapsedMs()
}

/** Reverts one migration and removes its ledger row. Returns the time it took, in milliseconds. */
export async function revertMigration(run: MigrationRun): Promise<number> {
  const { session, migration } = run
  const { down } = migration
  if (!down) throw new Error(`${migration.fileName} has no down part`)
  const startedAt = performance.now()
  await prepareSession(session, run.policy)
  const forget = async (): Promise<void> => {
    await session.query(`delete from ${session.ledger} where version = $1`, [migration.version])
  }
  // Recorded before the statements, which may drop the audit log.
  const record = async (): Promise<void> => {
    await recordChange(session, 'migration.revert', migration)
  }
  if (down.isTransactional) {
    await runInTransaction({
      ...run,
      statements: down.statements,
      outcome: 'the migration is still applied, whole',
      before: record,
      after: forget,
    })
  } else {
    await runWithoutTransaction({ ...run, part: down, finish: forget, before: record })
  }
  return Math.round(performance.now() - startedAt)
}

/**
 * Settings of the session for one migration, so that none depends on what the one before has set
 * or on the defaults of the role.
 */
async function prepareSession(session: Session, policy: LockPolicy): Promise<void> {
  await liftStatementTimeout(session)
  await session.query(`reset all;
    set standard_conforming_strings = on;
    set statement_timeout = 0;
    set idle_in_transaction_session_timeout = 0;
    set lock_timeout = ${policy.waitMs};
    do $$
    begin
      -- A long statement of a migration whose process was killed stops, and its lock is free.
      perform set_config('client_connection_check_interval', '1s', false);
    exception when others then
      null; -- Not every platform of the server can.
    end
    $$`)
}
