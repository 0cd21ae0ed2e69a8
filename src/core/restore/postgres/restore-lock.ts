import { KilnError, errorCodeOf } from '../../errors/index.ts'
import { acquireSchemaLock, describeHolders, holdersOf, schemaLock } from '../../migrate/index.ts'
import type { RestoreSession } from './session.ts'

/** The one that the triggers of 0029 ask for: while it is held, no job and no executor comes in. */
const restoreLock = { classId: schemaLock.classId, objectId: 2 } as const

/** Of restores of files: they let jobs in, but not each other. */
const filesLock = { classId: schemaLock.classId, objectId: 3 } as const

/** Transactions that add jobs are short. */
const patienceMs = 10_000

/**
 * Keeps others out for as long as the session lives: backups, migrations and other restores, executors
 * that start, and whoever adds jobs or analyses.
 *
 * @throws KilnError LOCK_TIMEOUT naming who holds which.
 */
export async function lockForRestore(session: RestoreSession, signal: AbortSignal): Promise<void> {
  await acquireSchemaLock(session.client, { timeoutMs: patienceMs, signal })
  await takeLock(session, filesLock, 'another restore')
  await takeLock(session, restoreLock, 'another restore, or a transaction that adds jobs')
}

/** The same for a restore that leaves the tables alone. */
export const lockForFiles = (session: RestoreSession): Promise<void> =>
  takeLock(session, filesLock, 'another restore')

async function takeLock(
  session: RestoreSession,
  { classId, objectId }: { readonly classId: number; readonly objectId: number },
  what: string,
): Promise<void> {
  try {
    // Waited for inside Postgres: those who only try give way to who waits.
    await session.query(`set lock_timeout = ${patienceMs}`)
    await session.query('select pg_advisory_lock($1, $2)', [classId, objectId])
  } catch (error) {
    if (errorCodeOf(error) !== '55P03') throw error
    const holders = await holdersOf(session.client, { classId, objectId })
    throw new KilnError(
      'LOCK_TIMEOUT',
      `${what} was not over within ${patienceMs / 1000} s: ${describeHolders(holders)}`,
      { hint: 'try again when it has ended' },
    )
  } finally {
    await session.cleanUp('set lock_timeout = 0')
  }
}
