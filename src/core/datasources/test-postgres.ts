import pg from 'pg'
import { databaseError } from '../database/index.ts'
import { KilnError } from '../errors/index.ts'
import type { Clock } from '../os/index.ts'

/** What a Postgres said about itself and the role. */
export interface PostgresFacts {
  readonly serverVersion: string
  readonly user: string
  readonly database: string
  /** Why the role could write if queries were not read only; empty when it could not. */
  readonly writePrivileges: readonly string[]
  /** One round trip on the open connection. */
  readonly latencyMs: number
}

const connectTimeoutMs = 5000
const statementTimeoutMs = 5000

/**
 * Connects and asks what there is to know. Errors name the datasource, never its URL.
 *
 * @throws KilnError DATASOURCE_UNAVAILABLE.
 */
export async function testPostgres(
  connectionString: string,
  label: string,
  clock: Clock,
): Promise<PostgresFacts> {
  const client = new pg.Client({
    connectionString,
    application_name: 'kiln datasource test',
    connectionTimeoutMillis: connectTimeoutMs,
    statement_timeout: statementTimeoutMs,
    // The server's own limit does not help when the network has gone silent.
    query_timeout: statementTimeoutMs + 1000,
  })
  // The same failure also rejects the call that is under way.
  client.on('error', () => undefined)
  try {
    await client.connect()
    const { rows } = await client.query<FactsRow>(factsQuery)
    const started = clock.monotonic()
    await client.query('select 1')
    const latencyMs = Math.round((clock.monotonic() - started) * 10) / 10
    const [facts] = rows
    if (!facts) throw new Error('the server gave no answer')
    return { ...toFacts(facts), latencyMs }
  } catch (error) {
    throw unavailable(error, label)
  } finally {
    // A connection that is broken already has nothing left to end.
    await client.end().catch(() => undefined)
  }
}

interface FactsRow {
  readonly server_version: string
  readonly user_name: string
  readonly database_name: string
  readonly is_superuser: boolean
  readonly can_create: boolean
  readonly writable_tables: string
}

const factsQuery = `
  select current_setting('server_version') as server_version,
    current_user as user_name,
    current_database() as database_name,
    (select rolsuper from pg_roles where rolname = current_user) as is_superuser,
    has_database_privilege(current_database(), 'create') as can_create,
    (
      select count(*)
      from pg_class
      where relkind in ('r', 'p')
        and relnamespace not in ('pg_catalog'::regnamespace, 'information_schema'::regnamespace)
        and has_table_privilege(oid, 'insert, update, delete, truncate')
    ) as writable_tables
`

function toFacts(row: FactsRow): Omit<PostgresFacts, 'latencyMs'> {
  const tables = Number(row.writable_tables)
  return {
    serverVersion: row.server_version,
    user: row.user_name,
    database: row.database_name,
    writePrivileges: row.is_superuser
      ? ['is superuser']
      : [
          ...(row.can_create ? ['may create schemas'] : []),
          ...(tables > 0 ? [`may change ${tables} ${tables === 1 ? 'table' : 'tables'}`] : []),
        ],
  }
}

function unavailable(error: unknown, label: string): KilnError {
  const { code, message, hint, details } = databaseError(error, label)
  const isPassword = code === 'DATABASE_AUTHENTICATION_FAILED'
  return new KilnError('DATASOURCE_UNAVAILABLE', `${label}: ${message}`, {
    cause: error,
    hint: isPassword
      ? 'check user and password of the datasource'
      : (hint?.replace('in DATABASE_URL', 'of the datasource') ??
        'check the URL of the datasource'),
    ...(details ? { details } : {}),
  })
}
