import { createHash } from 'node:crypto'
import { KilnError } from '../errors/index.ts'
import {
  type ConcurrentIndex,
  concurrentIndexOf,
  dropInvalidIndex,
  isIndexDone,
} from './concurrent-index.ts'
import type { LedgerRow } from './ledger.ts'
import type { Migration, MigrationPart, Statement } from './migration-file.ts'
import type { LockPolicy, OnProgress } from './progress.ts'
import { refusesTransaction, runInTransaction } from './run-in-transaction.ts'
import type { Session } from './session.ts'
import { locationOf, statementError } from './statement-error.ts'

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

/**
 * Runs statements one by one, each recorded in the ledger, so that a run that died goes on where
 * it stopped. A statement that can run in a transaction does, together with its record: it never
 * runs twice. One that cannot is announced in the ledger first; if we die in it, the next run
 * looks at the catalogue for what became of its index.
 *
 * @throws KilnError MIGRATION_FAILED, LOCK_TIMEOUT, MIGRATION_UNFINISHED if a statement that has
 * run was edited.
 */
export async function runWithoutTransaction(work: StatementsWork): Promise<void> {
  const { session, migration, part, row } = work
  const isDown = part === migration.down
  const resumed = row?.state === (isDown ? 'reverting' : 'applying') ? row : undefined
  const done = resumed?.statementsDone.length ?? 0
  refuseEdited(work, resumed)
  await runInTransaction({
    ...work,
    statements: [],
    outcome: '',
    before: async () => {
      if (!resumed) await work.before?.()
    },
    after: () => announce(work, resumed !== undefined),
  })
  for (const [index, statement] of part.statements.entries()) {
    if (index < done) continue
    const wasRunning = index === done && resumed?.statementRunning === hashOf(statement)
    await runStatement(work, statement, index, wasRunning)
  }
  await runInTransaction({
    session,
    migration,
    policy: work.policy,
    onProgress: work.onProgress,
    statements: [],
    outcome: '',
    after: work.finish,
  })
}

async function announce(work: StatementsWork, isResumed: boolean): Promise<void> {
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

async function runStatement(
  work: StatementsWork,
  statement: Statement,
  index: number,
  wasRunning: boolean,
): Promise<void> {
  const { session, migration, onProgress } = work
  const target = concurrentIndexOf(statement.sql)
  if (wasRunning && target) {
    if (await isIndexDone(session, target)) return markDone(work, statement)
    await dropInvalidIndex(session, target, migration.version, onProgress)
  }
  try {
    await runInTransaction({
      session,
      migration,
      policy: work.policy,
      onProgress,
      statements: [statement],
      outcome: outcomeAfter(index),
      after: () => markDone(work, statement),
    })
  } catch (error) {
    if (refusesTransaction(error)) return runAlone(work, statement, index)
    await forgetIfNothingDone(work, index)
    throw error
  }
}

/** Runs a statement that Postgres does not let into a transaction. */
async function runAlone(work: StatementsWork, statement: Statement, index: number): Promise<void> {
  const { session, migration, policy } = work
  const target = concurrentIndexOf(statement.sql)
  await session.query(`update ${session.ledger} set statement_running = $2 where version = $1`, [
    migration.version,
    hashOf(statement),
  ])
  try {
    await session.query(`set lock_timeout = ${policy.concurrentWaitMs}`)
    await session.query(statement.sql)
    // If we die here, the statement has run and the ledger says it was running: the next run finds
    // its index valid and goes on.
    await markDone(work, statement)
    await session.query(`set lock_timeout = ${policy.waitMs}`)
  } catch (error) {
    const isTidy = await tidyUp(work, index, target)
    session.signal?.throwIfAborted()
    const rest = target && !isTidy ? `; the next run drops what is left of ${target.name}` : ''
    throw statementError(migration, statement, error, `${outcomeAfter(index)}${rest}`)
  }
}

/** After a statement failed alone: no invalid index, and a ledger that knows it does not run. */
async function tidyUp(
  work: StatementsWork,
  index: number,
  target: ConcurrentIndex | undefined,
): Promise<boolean> {
  const { session, migration, policy, onProgress } = work
  try {
    await session.cleanUp(`set lock_timeout = ${policy.waitMs}`)
    if (target) await dropInvalidIndex(session, target, migration.version, onProgress)
    await session.cleanUp(
      `update ${session.ledger} set statement_running = null where version = $1`,
      [migration.version],
    )
    await forgetIfNothingDone(work, index)
    return true
  } catch {
    // The connection is gone, or a reader that stopped the build also stops the drop. The ledger
    // still says that the statement runs, so the next run looks after its index.
    return false
  }
}

async function markDone(work: StatementsWork, statement: Statement): Promise<void> {
  const { session } = work
  await session.query(
    `update ${session.ledger}
     set statements_done = statements_done || $2::text, statement_running = null
     where version = $1`,
    [work.migration.version, hashOf(statement)],
  )
}

/** A migration whose first statement failed has left nothing: the ledger says so. */
async function forgetIfNothingDone(work: StatementsWork, index: number): Promise<void> {
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
function refuseEdited(work: StatementsWork, row: LedgerRow | undefined): void {
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

function outcomeAfter(index: number): string {
  if (index === 0) return 'nothing of this migration was kept'
  return `the ${index === 1 ? 'statement' : `${index} statements`} before it stay; the next run goes on from here`
}

const hashOf = (statement: Statement): string =>
  createHash('sha256').update(statement.sql).digest('hex')
