import pg from 'pg'
import { openClient } from '../../migrate/index.ts'
import { type ConnectionTarget, databaseError, isDatabaseError } from '../../database/index.ts'
import { type SessionWatch, destroySocket, startWatch } from './session-watch.ts'

/** A connection of a restore, and where its tables are. */
export interface RestoreSession {
  readonly client: pg.Client
  readonly target: ConnectionTarget
  /** Schema of the live tables. */
  readonly live: string
  /** Of this connection and of those that help it. */
  readonly watch: SessionWatch
  /** Runs one statement; throws the signal's reason once it is aborted. */
  query<Row extends pg.QueryResultRow>(
    sql: string,
    values?: readonly unknown[],
  ): Promise<pg.QueryResult<Row>>
  /** Puts something in order, also after an abort; a connection that is gone has nothing left of it. */
  cleanUp(sql: string): Promise<void>
  close(): Promise<void>
}

export const quoted = pg.escapeIdentifier
export const literal = pg.escapeLiteral

export interface SessionOptions {
  /** How long the server may leave the connection beside this one without an answer; 60 s unless told. */
  readonly silenceLimitMs?: number | undefined
  /** Given: the session is one more of those that are watched there. */
  readonly watch?: SessionWatch | undefined
}

/**
 * Opens a connection of its own: for locks, settings and transactions that must not be shared.
 * Names without a schema are those of the live tables.
 *
 * @throws KilnError DATABASE_CONNECTION_FAILED, also from any statement once the server fell silent.
 */
export async function openRestoreSession(
  target: ConnectionTarget,
  signal: AbortSignal,
  { silenceLimitMs = 60_000, watch: given }: SessionOptions = {},
): Promise<RestoreSession> {
  signal.throwIfAborted()
  const client = await openClient(target, 'kiln restore')
  const watch = given ?? (await watchOf(client, target, signal, silenceLimitMs))
  watch.add(client)
  const query = async <Row extends pg.QueryResultRow>(
    sql: string,
    values: readonly unknown[] = [],
  ): Promise<pg.QueryResult<Row>> => {
    signal.throwIfAborted()
    try {
      const statement = client.query<Row>(sql, values.length > 0 ? [...values] : undefined)
      watch.asked(client, statement)
      return await statement
    } catch (error) {
      await watch.settled(client)
      signal.throwIfAborted()
      throw watch.silence ?? error
    }
  }
  const cleanUp = async (sql: string): Promise<void> => {
    await watch.settled(client)
    await client.query(sql).catch(() => undefined)
  }
  const close = async (): Promise<void> => {
    watch.remove(client)
    if (!given) await watch.stop()
    await endClient(client)
  }
  try {
    const { rows } = await query<{ schema: string | null }>(
      `select coalesce(
         (select n.nspname
          from pg_class c
          join pg_namespace n on n.oid = c.relnamespace
          where c.oid = to_regclass('analyses')),
         current_schema(),
         'public'
       ) as schema`,
    )
    const live = rows[0]?.schema ?? 'public'
    await query(`set search_path = ${quoted(live)}`)
    // What a role or database has set must not cut a load short, nor change what rows mean.
    await query(`set statement_timeout = 0; set idle_in_transaction_session_timeout = 0;
      set lock_timeout = 0; set datestyle = 'ISO'; set intervalstyle = 'postgres';
      set timezone = 'UTC'; set client_encoding = 'UTF8'; set xmloption = 'content';
      set default_transaction_read_only = off; set check_function_bodies = off;
      set row_security = off`)
    return { client, target, live, watch, query, cleanUp, close }
  } catch (error) {
    await close()
    throw databaseError(error, target.label)
  }
}

async function watchOf(
  client: pg.Client,
  ...of: Parameters<typeof startWatch>
): Promise<SessionWatch> {
  try {
    return await startWatch(...of)
  } catch (error) {
    await endClient(client)
    throw error
  }
}

/**
 * Runs `work` over a connection of its own and closes it. Errors of the database are coded ones.
 *
 * @throws KilnError DATABASE_CONNECTION_FAILED, and what `work` throws.
 */
export async function withRestoreSession<T>(
  target: ConnectionTarget,
  { signal, ...options }: SessionOptions & { readonly signal: AbortSignal },
  work: (session: RestoreSession) => Promise<T>,
): Promise<T> {
  const session = await openRestoreSession(target, signal, options)
  try {
    return await work(session)
  } catch (error) {
    signal.throwIfAborted()
    const { silence } = session.watch
    if (silence) throw silence
    throw isDatabaseError(error) ? databaseError(error, target.label) : error
  } finally {
    await session.close()
  }
}

/** A server that has fallen silent does not answer the goodbye. */
export async function endClient(client: pg.Client): Promise<void> {
  const timer = setTimeout(() => destroySocket(client), 1000)
  await client.end().catch(() => undefined)
  clearTimeout(timer)
}

/** Runs `work` in one transaction: all of it, or nothing. */
export async function inTransaction<T>(
  { client, watch }: RestoreSession,
  work: () => Promise<T>,
): Promise<T> {
  await client.query('begin')
  try {
    const result = await work()
    await client.query('commit')
    return result
  } catch (error) {
    await watch.settled(client)
    // Where the connection is gone the server has rolled back already.
    await client.query('rollback').catch(() => undefined)
    throw error
  }
}
