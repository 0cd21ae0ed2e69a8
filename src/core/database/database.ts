import { CamelCasePlugin, Kysely, PostgresDialect } from 'kysely'
import pg from 'pg'
import { type ConnectionTarget, tcpKeepalive } from './connection-target.ts'
import { PreparingClient, setShortWay } from './prepared-statement.ts'
import type { DB } from './schema.generated.ts'
import { typeParsers } from './type-parsers.ts'

/** Statements and transactions over Kiln's tables; columns are camelCase on this side. */
export type Queries = Kysely<DB>

/** An open pool. `close` ends it; it is safe to call twice. */
export interface Database {
  readonly queries: Queries
  readonly pool: pg.Pool
  readonly target: ConnectionTarget
  close(): Promise<void>
}

export interface OpenDatabaseOptions {
  readonly target: ConnectionTarget
  /** Shown in pg_stat_activity. */
  readonly applicationName: string
  readonly poolSize: number
  readonly connectTimeoutMs?: number
}

/**
 * Opens a pool; connects when first used. Errors of its statements are driver errors: pass them
 * through `databaseError` at the edge.
 */
export function openDatabase(options: OpenDatabaseOptions): Database {
  const pool = new pg.Pool({
    ...options.target.config,
    Client: PreparingClient,
    application_name: options.applicationName,
    max: options.poolSize,
    types: typeParsers,
    // Long enough for a server that is busy, short enough for a cron job to say so.
    connectionTimeoutMillis: options.connectTimeoutMs ?? 5000,
    idleTimeoutMillis: 30_000,
    allowExitOnIdle: true,
    ...tcpKeepalive,
  })
  // An idle connection that the server closes is replaced by the next query; without a listener
  // the pool's error would end the process.
  pool.on('error', () => undefined)
  // The pool listens only while a connection is idle. One that is lost between two statements of a
  // transaction would end the process too; its next statement fails and tells.
  pool.on('connect', (client) => client.on('error', () => undefined))
  const queries = new Kysely<DB>({
    dialect: new PostgresDialect({ pool }),
    plugins: [new CamelCasePlugin({ maintainNestedObjectKeys: true })],
  })
  setShortWay(queries, async (text, values) => {
    const client = await pool.connect()
    try {
      return await client.query({ text, values: [...values] })
    } finally {
      client.release()
    }
  })
  let closing: Promise<void> | undefined
  return {
    queries,
    pool,
    target: options.target,
    close: () => (closing ??= pool.end()),
  }
}
