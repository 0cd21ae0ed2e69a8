import path from 'node:path'
import pg, { type ClientConfig } from 'pg'
import { passwordFileVariables, programFolders } from '../../config/index.ts'
import { parseDatabaseUrl } from '../../database/index.ts'

/**
 * How programs of Postgres reach a server: by their environment, since everybody on the machine sees
 * the arguments of a program. What a URL says beside host, user and database goes on too.
 */
export function toolEnvironment(config: ClientConfig, applicationName: string): NodeJS.ProcessEnv {
  const { host, port, user, password, database } = new pg.Client(config)
  const url =
    config.connectionString === undefined ? undefined : parseDatabaseUrl(config.connectionString)
  const option = (name: string) => url?.searchParams.get(name) ?? undefined
  const entries = {
    PATH: programFolders().join(path.delimiter),
    LANG: 'C.UTF-8',
    PGHOST: host,
    PGPORT: String(port),
    PGUSER: user,
    PGPASSWORD: password ?? undefined,
    ...passwordFileVariables(),
    PGDATABASE: database,
    PGAPPNAME: applicationName,
    PGCONNECT_TIMEOUT: '10',
    // A word of the driver's own for what it is to them.
    PGSSLMODE: option('sslmode')?.replace('no-verify', 'require'),
    PGSSLROOTCERT: option('sslrootcert'),
    PGSSLCERT: option('sslcert'),
    PGSSLKEY: option('sslkey'),
    PGOPTIONS: option('options'),
  }
  return Object.fromEntries(Object.entries(entries).filter(([, value]) => value !== undefined))
}
