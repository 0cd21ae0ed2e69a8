/** A Postgres for one test file that takes it away and gives it back. */
import pg from 'pg'
import {
  ensurePrivatePostgres,
  privatePostgresStatus,
  stopPrivatePostgres,
} from '../../src/core/database/private-postgres/index.ts'
import { typeParsers } from '../../src/core/database/index.ts'
import { isProcessRunning } from '../../src/core/os/index.ts'
import { migrateTemplate } from './migrate-template.ts'
import { waitUntil } from './wait-until.ts'
import { createTemporaryFolder } from './temporary-folder.ts'

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
      await folder.remove()
    },
  }
}
