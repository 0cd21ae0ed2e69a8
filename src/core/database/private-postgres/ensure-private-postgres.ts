import type { PrivatePostgresOptions } from './options.ts'
import { type PrivatePostgres, describeServer } from './private-postgres.ts'
import { probeServer } from './probe-server.ts'
import { findLayout } from './state-folder.ts'

/**
 * The private Postgres of a data folder, running: made if it is absent, started if it is down.
 * Every command without DATABASE_URL calls this, so the usual case, that it runs, costs three
 * small reads and a knock at the socket. Safe to call from any number of processes at once.
 *
 * @throws KilnError PRIVATE_POSTGRES_MISSING (no binaries that fit), PRIVATE_POSTGRES_FAILED,
 * PERMISSION_DENIED, DISK_FULL.
 */
export async function ensurePrivatePostgres(
  options: PrivatePostgresOptions,
): Promise<PrivatePostgres> {
  const layout = await findLayout(options.dataDir)
  const probe = await probeServer(layout)
  if (probe.state === 'ready') return describeServer(layout, probe.file)
  // Loaded only when needed: most commands find the server running.
  const { startPrivatePostgres } = await import('./start-private-postgres.ts')
  return startPrivatePostgres(options)
}
