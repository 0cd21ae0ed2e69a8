import { setTimeout as sleep } from 'node:timers/promises'
import { errorCodeOf, KilnError } from '../errors/index.ts'
import { isCancelled } from './lift-statement-timeout.ts'
import type { Migration, Statement } from './migration-file.ts'
import type { LockPolicy, OnProgress } from './progress.ts'
import { describeHolders, holderJson, schemaLock } from './schema-lock.ts'
import type { Session } from './session.ts'
import { locationOf, statementError } from './statement-error.ts'
import { watchBlockers } from './watch-blockers.ts'

/** lock_not_available, deadlock_detected: the same transaction may pass a moment later. */
const passing = ['55P03', '40P01']

export interface TransactionWork {
  readonly session: Session
  readonly migration: Migration
  readonly statements: readonly Statement[]
  readonly policy: LockPolicy
  readonly onProgress: OnProgress | undefined
  /** What holds if the transaction fails, for the error. */
  readonly outcome: string
  /** Ledger and audit, in the same transaction: before and after the statements. */
  readonly before?: () => Promise<void>
  readonly after: () => Promise<void>
}

/**
 * Runs statements and their ledger entry in one transaction: all or nothing, also when this
 * process dies. Tried again when a lock is not free in time.
 *
 * @throws KilnError MIGRATION_FAILED with the place in the file, LOCK_TIMEOUT naming the blockers.
 * Errors of a statement that refuses a transaction come as they are (sqlstate 25001, 2D000).
 */
export async function runInTransaction(work: TransactionWork): Promise<void> {
  const { session, migration, policy } = work
  for (let tries = 1; ; tries += 1) {
    const watch = watchBlockers(session.target, session.pid)
    let running: Statement | undefined
    let isLifting = false
    try {
      await session.query('begin')
      await guardLock(session)
      await work.before?.()
      for (const statement of work.statements) {
        running = statement
        await session.query(statement.sql)
      }
      running = undefined
      // A timeout that the migration has set is for its own statements, and not for the ledger's.
      isLifting = true
      await session.query('set local statement_timeout = 0')
      // A cancel that came too late for the one before hits the next statement.
      await session.query('select 1')
      isLifting = false
      await work.after()
      await session.query('commit')
      return
    } catch (error) {
      // A lost connection has rolled back by itself.
      await session.cleanUp('rollback').catch(() => undefined)
      session.signal?.throwIfAborted()
      // By the timeout that it was to lift, one of a millisecond.
      if (isLifting && isCancelled(error) && tries < policy.tries) continue
      const code = errorCodeOf(error) ?? ''
      if (!passing.includes(code)) {
        if (!running || refusesTransaction(error) || error instanceof KilnError) throw error
        throw statementError(migration, running, error, work.outcome)
      }
      if (tries >= policy.tries) {
        throw new KilnError(
          'LOCK_TIMEOUT',
          `${running ? locationOf(migration, running) : migration.fileName}: a lock was not free in ${tries} tries of ${policy.waitMs / 1000} s: blocked by ${describeHolders(watch.seen())}; ${work.outcome}`,
          {
            hint: 'wait for that session or end it (select pg_terminate_backend(PID)), then run the command again',
            details: { version: migration.version, blockers: watch.seen().map(holderJson) },
            cause: error,
          },
        )
      }
      work.onProgress?.({
        kind: 'retrying',
        version: migration.version,
        tries,
        blockers: watch.seen(),
      })
    } finally {
      await watch.stop()
    }
    const pauseMs = policy.pauseMs * 2 ** (tries - 1) * (0.5 + Math.random())
    await sleep(pauseMs, undefined, { signal: session.signal }).catch(() =>
      session.signal?.throwIfAborted(),
    )
  }
}

/** active_sql_transaction, invalid_transaction_termination: the statement must run by itself. */
export function refusesTransaction(error: unknown): boolean {
  return ['25001', '2D000'].includes(errorCodeOf(error) ?? '')
}

/**
 * The lock belongs to our session, so taking it once more succeeds. It fails when a pooler has
 * moved us to another session: then nobody else is kept out, and nothing may run.
 */
async function guardLock(session: Session): Promise<void> {
  const { rows } = await session.query<{ held: boolean }>(
    'select pg_try_advisory_xact_lock($1, $2) as held',
    [schemaLock.classId, schemaLock.objectId],
  )
  if (rows[0]?.held) return
  throw new KilnError(
    'SETTING_INVALID',
    'the migration lock is held by another session than ours: a pooler in transaction mode is in between',
    { hint: 'point DATABASE_URL (or --database-url) at Postgres itself for migrations' },
  )
}
