/** A Postgres for one test file that takes it away and gives it back. */
import pg from 'pg'
import {
  ensurePrivatePostgres,
  stopPrivatePostgres,
} from '../../src/core/database/private-postgres/index.ts'
import { typeParsers } from '../../src/core/database/index.ts'
import { migrateTemplate } from './migrate-template.ts'
import { createTemporaryFolder } from './temporary-folder.ts'

export interface OwnPostgres {
  /** Of a migrated database; the same after every start. */
  readonly connectionString: string
  /** For the test's own statements. */
  readonly pool: pg.Pool
  start(): Promise<void>
  /** As operators do: sessions are ended, transactions rolled back. */
  stop(): Promise<void>
  close(): Promise<void>
}

/** Starts a server without fsync: its data survives a stop, as no power cut comes here. */
export async function startOwnPostgres(
  serverSettings: Readonly<Record<string, string>> = {},
): Promise<OwnPostgres> {
  const folder = await createTemporaryFolder('postgres')
  const dataDir = folder.path
  const start = () =>
    ensurePrivatePostgres({
      dataDir,
      overrides: { serverSettings: { fsync: 'off', ...serverSettings } },
    })
  const { connectionString } = await start()
  await migrateTemplate(connectionString)
  const pool = new pg.Pool({ connectionString, max: 5, types: typeParsers })
  // Idle connections end with the server.
  pool.on('error', () => undefined)
  return {
    connectionString,
    pool,
    start: async () => void (await start()),
    stop: async () => void (await stopPrivatePostgres({ dataDir })),
    async close() {
      await pool.end()
      await folder.remove()
    },
  }
}
