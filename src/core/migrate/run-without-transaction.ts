import {
  type ConcurrentIndex,
  concurrentIndexOf,
  dropInvalidIndex,
  isIndexDone,
} from './concurrent-index.ts'
import type { Statement } from './migration-file.ts'
import { refusesTransaction, runInTransaction } from './run-in-transaction.ts'
import { statementError } from './statement-error.ts'
import {
  type StatementsWork,
  announce,
  forgetIfNothingDone,
  hashOf,
  markDone,
  refuseEdited,
} from './statement-ledger.ts'

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
    // Without a connection the row stays, and the next run begins with this statement.
    await forgetIfNothingDone(work, index).catch(() => undefined)
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

function outcomeAfter(index: number): string {
  if (index === 0) return 'nothing of this migration was kept'
  return `the ${index === 1 ? 'statement' : `${index} statements`} before it stay; the next run goes on from here`
}
