/** A Postgres for one test file that takes it away and gives it back. */
import { mkdirSync } from 'node:fs'
import path from 'node:path'
import pg from 'pg'
import {
  type BinarySources,
  ensurePrivatePostgres,
  privatePostgresStatus,
  stopPrivatePostgres,
} from '../../src/core/database/private-postgres/index.ts'
import { typeParsers } from '../../src/core/database/index.ts'
import { isProcessRunning } from '../../src/core/os/index.ts'
import { copyCluster } from './cluster-copy.ts'
import { migrateTemplate } from './migrate-template.ts'
import { waitUntil } from './wait-until.ts'
import { createTemporaryFolder } from './temporary-folder.ts'
import { testRun } from './test-run.ts'
import { databaseUrl, query } from './test-server.ts'

export interface OwnPostgres {
  /** Of a migrated database; the same after every start. */
  readonly connectionString: string
  /** For the test's own statements. */
  readonly pool: pg.Pool
  start(): Promise<void>
  /** As operators do: sessions are ended, transactions rolled back. */
  stop(): Promise<void>
  /** SIGKILL, and back again by its own recovery. */
  killAndStart(): Promise<void>
  close(): Promise<void>
}

/** Makes the migrated template of a copied cluster its database. */
async function takeTemplate(connectionString: string): Promise<void> {
  const maintenanceUrl = databaseUrl(connectionString, 'postgres')
  for (const statement of [
    'drop database kiln',
    `alter database ${testRun().templateName} rename to kiln`,
    'alter database kiln allow_connections true',
  ]) {
    await query(maintenanceUrl, statement)
  }
}

/** Starts a server without fsync: its data survives a stop, as no power cut comes here. */
export async function startOwnPostgres(
  serverSettings: Readonly<Record<string, string>> = {},
  /** Whose programs run it; the package's unless told. */
  sources?: BinarySources,
  /** Where its data are; a new folder unless told. */
  place?: string,
): Promise<OwnPostgres> {
  const folder = place === undefined ? await createTemporaryFolder('postgres') : undefined
  const dataDir = folder?.path ?? path.join(place ?? '', 'own')
  if (place !== undefined) mkdirSync(dataDir)
  const start = () =>
    ensurePrivatePostgres({
      dataDir,
      overrides: {
        serverSettings: { fsync: 'off', ...serverSettings },
        ...(sources ? { sources } : {}),
      },
    })
  const isCopy = !sources && folder !== undefined && (await copyCluster(dataDir, serverSettings))
  const { connectionString } = await start()
  await (isCopy ? takeTemplate(connectionString) : migrateTemplate(connectionString))
  const pool = new pg.Pool({ connectionString, max: 5, types: typeParsers })
  // Idle connections end with the server.
  pool.on('error', () => undefined)
  return {
    connectionString,
    pool,
    start: async () => void (await start()),
    stop: async () => void (await stopPrivatePostgres({ dataDir })),
    async killAndStart() {
      const { pid } = await privatePostgresStatus({ dataDir })
      if (pid === null) throw new Error('Postgres does not run')
      process.kill(pid, 'SIGKILL')
      await waitUntil('Postgres is gone', () => !isProcessRunning(pid))
      // Its children hold on to its memory for a moment.
      await waitUntil('Postgres is back', () =>
        start().then(
          () => true,
          () => false,
        ),
      )
    },
    async close() {
      await pool.end()
      if (folder) await folder.remove()
      else await stopPrivatePostgres({ dataDir })
    },
  }
}
