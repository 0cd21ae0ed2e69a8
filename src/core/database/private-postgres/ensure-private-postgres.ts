import { KilnError } from '../../errors/index.ts'
import { fileExists } from '../../os/index.ts'
import type { PrivatePostgresOptions } from './options.ts'
import { type PrivatePostgres, describeServer } from './private-postgres.ts'
import { probeServer } from './probe-server.ts'
import { isServerProcess } from './stale-postmaster-file.ts'
import { findLayout } from './state-folder.ts'

/**
 * The private Postgres of a data folder, running: made if it is absent, started if it is down.
 * Every command without DATABASE_URL calls this, so the usual case, that it runs, costs a few
 * small reads and a knock at the socket. Safe to call from any number of processes at once.
 *
 * @throws KilnError PRIVATE_POSTGRES_MISSING (no binaries that fit), PRIVATE_POSTGRES_FAILED,
 * PERMISSION_DENIED, DISK_FULL, and PRIVATE_POSTGRES_DOWN where `privateServer` forbids what it takes.
 */
export async function ensurePrivatePostgres(
  options: PrivatePostgresOptions,
): Promise<PrivatePostgres> {
  const layout = await findLayout(options.dataDir)
  const probe = await probeServer(layout)
  // A child that a killed server was just starting still has its socket, and answers for a moment. One
  // whose process is not to be seen, as from another container, is asked for a whole connection.
  if (probe.state === 'ready' && (await isServerProcess(layout.pgdata, probe.file)) !== false) {
    return describeServer(layout, probe.file)
  }
  const { dataDir, privateServer = 'make' } = options
  const isMade = await fileExists(layout.pgdata)
  if (privateServer === 'use' || (privateServer === 'start' && !isMade)) {
    const problem = isMade
      ? `the private Postgres of ${dataDir} does not run`
      : `${dataDir} has no private Postgres yet`
    throw new KilnError('PRIVATE_POSTGRES_DOWN', problem, {
      hint: 'run: kiln db start, or set DATABASE_URL',
    })
  }
  // Loaded only when needed: most commands find the server running.
  const { startPrivatePostgres } = await import('./start-private-postgres.ts')
  return startPrivatePostgres(options)
}
