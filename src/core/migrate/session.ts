import pg from 'pg'
import type { Operator } from '../context.ts'
import {
  type ConnectionTarget,
  cancelUntilEnded,
  databaseError,
  isConnectionLost,
  typeParsers,
} from '../database/index.ts'
import { KilnError } from '../errors/index.ts'
import { type LockHolder, acquireSchemaLock } from './schema-lock.ts'

/** What migrations work with; a command's Context is one. */
export interface MigrateContext {
  readonly database: { readonly target: ConnectionTarget }
  /** Aborted: the running statement is cancelled on the server and rolled back. */
  readonly signal?: AbortSignal
  /** Given: changes are written to the audit log as soon as there is one. */
  readonly operator?: Operator
}

/** One dedicated connection, and how to stop what it does. */
export interface Session {
  readonly client: pg.Client
  readonly target: ConnectionTarget
  readonly pid: number
  /** The ledger with its schema: a migration may change the search path, as dumps do. */
  readonly ledger: string
  /** The search path that the session began with. */
  readonly searchPath: string
  readonly operator: Operator | undefined
  readonly signal: AbortSignal | undefined
  /** Runs one statement; throws the signal's reason once it is aborted. */
  query<Row extends pg.QueryResultRow>(
    sql: string,
    values?: readonly unknown[],
  ): Promise<pg.QueryResult<Row>>
  /** Runs one statement that puts things in order, also after an abort. */
  cleanUp(sql: string, values?: readonly unknown[]): Promise<void>
}

export interface SessionOptions {
  /** Takes the schema lock first; undefined for work that only reads. */
  readonly lock?: {
    readonly timeoutMs: number
    readonly onWait?: ((holders: readonly LockHolder[]) => void) | undefined
  }
}

/** Postgres 14 brought `begin atomic` bodies, `client_connection_check_interval` and more we use. */
const oldestVersion = 14

/**
 * Opens a connection for `work` and closes it, whatever happens; transaction and lock end with it.
 *
 * @throws KilnError what connecting throws, DATABASE_VERSION_UNSUPPORTED, LOCK_TIMEOUT.
 */
export async function withSession<T>(
  context: MigrateContext,
  options: SessionOptions,
  work: (session: Session) => Promise<T>,
): Promise<T> {
  const { target } = context.database
  const { signal, operator } = context
  signal?.throwIfAborted()
  const client = await openInTime(target, signal)
  let pid = 0
  let asked: Promise<unknown> = Promise.resolve()
  let cancelling: Promise<void> | undefined
  const cancel = (): void => {
    cancelling = cancelUntilEnded(asked, () => cancelStatement(target, pid))
  }
  try {
    const facts = await orAborted(checkServer(client, target), signal)
    pid = facts.pid
    signal?.addEventListener('abort', cancel, { once: true })
    if (options.lock) await acquireSchemaLock(client, { ...options.lock, signal })
    return await work({
      client,
      target,
      ...facts,
      operator,
      signal,
      async query<Row extends pg.QueryResultRow>(sql: string, values?: readonly unknown[]) {
        signal?.throwIfAborted()
        try {
          const statement = client.query<Row>(sql, values ? [...values] : undefined)
          asked = statement
          return await statement
        } catch (error) {
          // The request to cancel must have landed before anything else runs on this connection.
          await cancelling
          signal?.throwIfAborted()
          throw error
        }
      },
      async cleanUp(sql, values) {
        await cancelling
        await client.query(sql, values ? [...values] : undefined)
      },
    })
  } catch (error) {
    await cancelling
    signal?.throwIfAborted()
    throw isOfDatabase(error) ? databaseError(error, target.label) : error
  } finally {
    signal?.removeEventListener('abort', cancel)
    const ended = client.end().catch(() => undefined)
    // A server that says nothing is not waited for once more: the process ends, and the socket with it.
    if (pid !== 0 || !signal?.aborted) await ended
  }
}

/** A server that takes the connection and says nothing must not keep the one at the keyboard. */
async function openInTime(
  target: ConnectionTarget,
  signal: AbortSignal | undefined,
): Promise<pg.Client> {
  const opening = openClient(target, 'kiln migrate')
  try {
    return await orAborted(opening, signal)
  } catch (error) {
    void opening.then((client) => client.end()).catch(() => undefined)
    throw error
  }
}

/** The work's outcome, or the signal's reason if that comes first. For what has changed nothing. */
async function orAborted<T>(work: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (!signal) return work
  let abort: (() => void) | undefined
  const aborted = new Promise<never>((_, reject) => {
    abort = () => reject(signal.reason as Error)
    signal.addEventListener('abort', abort, { once: true })
  })
  try {
    return await Promise.race([work, aborted])
  } finally {
    if (abort) signal.removeEventListener('abort', abort)
  }
}

function isOfDatabase(error: unknown): boolean {
  return error instanceof pg.DatabaseError || isConnectionLost(error)
}

interface SessionFacts {
  readonly pid: number
  readonly ledger: string
  readonly searchPath: string
}

/** What the runner must know of the session; refuses a server that is too old. */
async function checkServer(client: pg.Client, target: ConnectionTarget): Promise<SessionFacts> {
  const { rows } = await client.query<SessionFacts & { version: string }>(
    `select
       pg_backend_pid() as pid,
       current_setting('server_version') as version,
       current_setting('search_path') as "searchPath",
       format('%I.kiln_migrations', coalesce(
         (select n.nspname
          from pg_class c
          join pg_namespace n on n.oid = c.relnamespace
          where c.oid = to_regclass('kiln_migrations')),
         current_schema(),
         'public'
       )) as ledger`,
  )
  const [facts] = rows
  if (!facts) throw new Error('no row from pg_backend_pid()')
  const { version } = facts
  if (Number.parseInt(version, 10) < oldestVersion) {
    throw new KilnError(
      'DATABASE_VERSION_UNSUPPORTED',
      `${target.label} runs Postgres ${version}, Kiln needs ${oldestVersion} or newer`,
      { hint: 'upgrade the server, or unset DATABASE_URL to use the private Postgres' },
    )
  }
  return facts
}

/** A connection outside of the pool: for locks and settings that must not be shared. */
export async function openClient(
  target: ConnectionTarget,
  applicationName: string,
  /** Of statements that take no time: the server is taken for gone when it has not answered by then. */
  answerMs?: number,
): Promise<pg.Client> {
  const client = new pg.Client({
    ...target.config,
    ...(answerMs === undefined ? {} : { query_timeout: answerMs }),
    application_name: applicationName,
    connectionTimeoutMillis: 5000,
    keepAlive: true,
    types: typeParsers,
  })
  // A connection that breaks between two statements: the next statement reports it.
  client.on('error', () => undefined)
  try {
    await client.connect()
  } catch (error) {
    await client.end().catch(() => undefined)
    throw databaseError(error, target.label)
  }
  return client
}

/** Stops what another session of ours does; a failure leaves it to the end of the connection. */
async function cancelStatement(target: ConnectionTarget, pid: number): Promise<void> {
  try {
    const client = await openClient(target, 'kiln migrate (cancel)')
    try {
      await client.query('select pg_cancel_backend($1)', [pid])
    } finally {
      await client.end()
    }
  } catch {
    // No connection is free: a second interrupt ends the process, and the server notices that.
  }
}
