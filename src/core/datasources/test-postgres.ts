import type { Clock } from '../os/index.ts'
import { openPostgresDatasource } from './postgres/index.ts'

/** What a Postgres said about itself and the role. */
export interface PostgresFacts {
  readonly serverVersion: string
  readonly user: string
  readonly database: string
  /** Why the role could write if queries were not read only; empty when it could not. */
  readonly writePrivileges: readonly string[]
  /** One query on the open connection. */
  readonly latencyMs: number
}

const statementTimeoutMs = 5000

/**
 * Connects as a job would and asks what there is to know.
 *
 * @throws KilnError DATASOURCE_UNAVAILABLE, or DATASOURCE_ERROR when the server refuses a question.
 */
export async function testPostgres(
  connection: string,
  label: string,
  clock: Clock,
  signal: AbortSignal,
): Promise<PostgresFacts> {
  const datasource = openPostgresDatasource({
    connection,
    label,
    statementTimeoutMs,
    applicationName: 'kiln datasource test',
  })
  try {
    const rows = JSON.parse(await datasource.query(factsQuery, [], {}, signal)) as FactsRow[]
    const started = clock.monotonic()
    await datasource.query('select 1', [], {}, signal)
    const latencyMs = Math.round((clock.monotonic() - started) * 10) / 10
    return { ...toFacts(rows[0] as FactsRow), latencyMs }
  } finally {
    await datasource.close()
  }
}

interface FactsRow {
  readonly server_version: string
  readonly user_name: string
  readonly database_name: string
  readonly is_superuser: boolean
  readonly can_create: boolean
  readonly writable_tables: number
}

const factsQuery = `
  select current_setting('server_version') as server_version,
    current_user::text as user_name,
    current_database()::text as database_name,
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
  const tables = row.writable_tables
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
