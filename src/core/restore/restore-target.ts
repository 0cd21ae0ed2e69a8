import { sql } from 'kysely'
import type { Context } from '../context.ts'
import {
  type ConnectionTarget,
  type Database,
  databaseError,
  openDatabase,
  parseDatabaseUrl,
  promptDatabase,
} from '../database/index.ts'
import { KilnError, isKilnError } from '../errors/index.ts'
import { listExecutors, sweepLostExecutors } from '../jobs/index.ts'
import { checkSchema, migrateUp, openClient } from '../migrate/index.ts'
import { lockForRestore } from './postgres/restore-lock.ts'
import { createDatabase } from './postgres/other-databases.ts'
import { type RestoreSession, endClient, withRestoreSession } from './postgres/session.ts'

type TargetContext = Pick<Context, 'database' | 'signal' | 'operator'>

/** The database that a restore goes into. */
export interface RestoreTarget {
  readonly connection: ConnectionTarget
  /** As `--confirm` has to name it. */
  readonly databaseName: string
  readonly exists: boolean
}

const usualSilenceMs = 60_000

/** Finds the target: the database of the settings, or another of the same server. Changes nothing. */
export async function findRestoreTarget(
  { database }: Pick<Context, 'database'>,
  into: string | undefined,
  silenceLimitMs = usualSilenceMs,
): Promise<RestoreTarget> {
  const client = await openClient(database.target, 'kiln restore', silenceLimitMs)
  try {
    const { rows } = await client.query<{ current: string; exists: boolean }>(
      `select current_database() as current,
         $1::text is null or exists (select from pg_database where datname = $1) as exists`,
      [into ?? null],
    )
    const current = rows[0]?.current ?? ''
    return {
      connection: into === undefined ? database.target : otherDatabase(database.target, into),
      databaseName: into ?? current,
      exists: rows[0]?.exists ?? true,
    }
  } catch (error) {
    throw databaseError(error, database.target.label)
  } finally {
    await endClient(client)
  }
}

/** The same server and role, another database. */
export function otherDatabase(target: ConnectionTarget, name: string): ConnectionTarget {
  const { connectionString, ...config } = target.config
  if (connectionString === undefined) {
    return { ...target, config: { ...config, database: name }, label: `${target.label}, ${name}` }
  }
  const url = parseDatabaseUrl(connectionString)
  url.pathname = `/${encodeURIComponent(name)}`
  return {
    ...target,
    config: { ...config, connectionString: url.href },
    label: `${target.label.replace(/\/[^/]*$/, '')}/${name}`,
  }
}

/**
 * Makes the database if it is not there, with the schema of this program, and refuses one that has
 * another: the schema always comes from the migrations.
 *
 * @throws KilnError SCHEMA_OUTDATED, SCHEMA_NEWER, PERMISSION_DENIED.
 */
async function prepareRestoreTarget(
  context: TargetContext,
  target: RestoreTarget,
  silenceLimitMs: number,
): Promise<Database> {
  if (!target.exists)
    await createDatabase(context.database.target, target.databaseName, { mayExist: true })
  const database = openDatabase({
    target: target.connection,
    applicationName: 'kiln restore',
    poolSize: 2,
  })
  try {
    await checkSchema({ database }, undefined, silenceLimitMs).catch(async (error: unknown) => {
      if (!isKilnError(error, 'SCHEMA_MISSING')) throw error
      const { signal, operator } = context
      await migrateUp({ database, signal, operator })
    })
    return database
  } catch (error) {
    await database.close()
    throw error
  }
}

interface LockTargetInput {
  readonly target: RestoreTarget
  /** How long the server may leave us without an answer; 60 s unless told. */
  readonly silenceLimitMs?: number | undefined
}

/**
 * Opens the target for a restore of its tables, with everybody else kept out until it is closed.
 *
 * @throws KilnError EXECUTORS_RUNNING, LOCK_TIMEOUT.
 */
export async function withLockedTarget<T>(
  context: TargetContext,
  { target, silenceLimitMs }: LockTargetInput,
  work: (session: RestoreSession, database: Database) => Promise<T>,
): Promise<T> {
  const { signal } = context
  const limitMs = silenceLimitMs ?? usualSilenceMs
  const database = promptDatabase(await prepareRestoreTarget(context, target, limitMs), limitMs)
  try {
    // Told before others are waited for, and again when nobody can come in any more.
    await requireNoExecutors(database)
    return await withRestoreSession(
      target.connection,
      { signal, silenceLimitMs },
      async (session) => {
        await lockForRestore(session, signal)
        await requireNoExecutors(database)
        return await work(session, database)
      },
    )
  } finally {
    await database.close()
  }
}

/** One that is dead is entered as stopped: should it wake up, it finds that it has no jobs. */
async function requireNoExecutors(database: Database): Promise<void> {
  const { queries } = database
  await sweepLostExecutors(queries)
  const executors = await listExecutors(queries, { includeStopped: false, limit: 100 })
  const alive = executors.filter(({ state }) => state !== 'dead')
  if (alive.length > 0) {
    throw new KilnError(
      'EXECUTORS_RUNNING',
      `${alive.length === 1 ? 'an executor runs' : `${alive.length} executors run`}: ${alive
        .map(({ label, kind }) => `${label} (${kind === 'service' ? 'service' : 'analysis run'})`)
        .join(', ')}`,
      {
        hint: 'stop the services first, or wait for the command; kiln executor list shows them',
        details: { executors: alive.map(({ id, label }) => ({ id, label })) },
      },
    )
  }
  const dead = executors.map(({ id }) => id)
  if (dead.length === 0) return
  await queries
    .updateTable('analysisExecutors')
    .set({ stoppedAt: sql`now()` })
    .where('id', 'in', dead)
    .where('stoppedAt', 'is', null)
    .execute()
}
