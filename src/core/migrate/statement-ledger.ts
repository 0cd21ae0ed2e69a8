import { createHash } from 'node:crypto'
import { KilnError } from '../errors/index.ts'
import type { LedgerRow } from './ledger.ts'
import type { Migration, MigrationPart, Statement } from './migration-file.ts'
import type { LockPolicy, OnProgress } from './progress.ts'
import type { Session } from './session.ts'
import { locationOf } from './statement-error.ts'

export interface StatementsWork {
  readonly session: Session
  readonly migration: Migration
  readonly part: MigrationPart
  readonly row: LedgerRow | undefined
  readonly policy: LockPolicy
  readonly onProgress: OnProgress | undefined
  /** Runs in the transaction that announces the run in the ledger. */
  readonly before?: () => Promise<void>
  /** The ledger's last word on the version, and the audit row; runs in a transaction. */
  readonly finish: () => Promise<void>
}

/** Writes that the run begins, or goes on. */
export async function announce(work: StatementsWork, isResumed: boolean): Promise<void> {
  const { session, migration, part } = work
  if (part === migration.down) {
    if (isResumed) return
    await session.query(
      `update ${session.ledger} set state = 'reverting', statements_done = '{}' where version = $1`,
      [migration.version],
    )
    return
  }
  // The checksum of the file as it now is: it may have been mended since the failure.
  await session.query(
    `insert into ${session.ledger} (version, name, checksum, state)
     values ($1, $2, $3, 'applying')
     on conflict (version) do update set checksum = excluded.checksum`,
    [migration.version, migration.name, migration.checksum],
  )
}

/** Writes that a statement has run; the next run does not repeat it. */
export async function markDone(work: StatementsWork, statement: Statement): Promise<void> {
  const { session } = work
  await session.query(
    `update ${session.ledger}
     set statements_done = statements_done || $2::text, statement_running = null
     where version = $1`,
    [work.migration.version, hashOf(statement)],
  )
}

/** A migration whose first statement failed has left nothing: the ledger says so. */
export async function forgetIfNothingDone(work: StatementsWork, index: number): Promise<void> {
  if (index > 0) return
  const { session } = work
  const isDown = work.part === work.migration.down
  await session.cleanUp(
    isDown
      ? `update ${session.ledger} set state = 'applied' where version = $1`
      : `delete from ${session.ledger} where version = $1`,
    [work.migration.version],
  )
}

/** Statements that have run cannot be undone by editing them. */
export function refuseEdited(work: StatementsWork, row: LedgerRow | undefined): void {
  const { migration, part } = work
  for (const [index, hash] of (row?.statementsDone ?? []).entries()) {
    const statement = part.statements[index]
    if (statement && hashOf(statement) === hash) continue
    const where = statement ? locationOf(migration, statement) : migration.fileName
    throw new KilnError(
      'MIGRATION_UNFINISHED',
      `${where}: statement ${index + 1} of ${migration.fileName} has run and was changed since`,
      {
        hint: `put it back as it was and correct only the statements after it; or say what holds: kiln migrate repair --mark applied ${migration.version} --reason TEXT`,
      },
    )
  }
}

export const hashOf = (statement: Statement): string =>
  createHash('sha256').update(statement.sql).digest('hex')
