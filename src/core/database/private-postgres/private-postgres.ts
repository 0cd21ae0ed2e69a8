import { readFile } from 'node:fs/promises'
import path from 'node:path'
import type { ClientConfig } from 'pg'
import { fileError } from '../../os/index.ts'
import { type Layout, databaseName, port, userName } from './layout.ts'
import type { PostmasterFile } from './postmaster-file.ts'

/** A private server that takes connections. */
export interface PrivatePostgres {
  readonly socketFolder: string
  readonly port: number
  readonly user: string
  readonly database: string
  /** For pg's Client and Pool. */
  readonly connection: ClientConfig
  /** For psql, pg and everything else that reads libpq's URLs. */
  readonly connectionString: string
  readonly stateFolder: string
  readonly serverPid: number
  /** Major version of the cluster, such as `15`. */
  readonly version: string
}

export async function describeServer(
  layout: Layout,
  file: PostmasterFile,
): Promise<PrivatePostgres> {
  return {
    socketFolder: file.socketFolder,
    port,
    user: userName,
    database: databaseName,
    connection: {
      host: file.socketFolder,
      port,
      user: userName,
      database: databaseName,
      // Said outright, or pg takes it from PGSSLMODE, and a socket has no TLS.
      ssl: false,
    },
    connectionString: socketUrl(file.socketFolder),
    stateFolder: layout.stateFolder,
    serverPid: file.pid,
    version: await readClusterVersion(layout.pgdata),
  }
}

/** The connection URL of a database behind a unix socket, as libpq writes it. */
export function socketUrl(socketFolder: string, database = databaseName): string {
  return `postgresql://${userName}@/${database}?host=${encodeURIComponent(socketFolder)}&port=${port}`
}

/** Major version of a cluster, from its own file. */
export async function readClusterVersion(pgdata: string): Promise<string> {
  const file = path.join(pgdata, 'PG_VERSION')
  try {
    return (await readFile(file, 'utf8')).trim()
  } catch (error) {
    throw fileError(error, file)
  }
}
