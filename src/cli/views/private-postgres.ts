import type {
  PrivatePostgres,
  PrivatePostgresStatus,
} from '../../core/database/private-postgres/index.ts'
import { formatSize } from '../../core/units/index.ts'
import type { JsonObject } from '../output/output.ts'
import { age } from './age.ts'

/** Said by commands that act on the private server while others use another one. */
export const otherServerRemark =
  'DATABASE_URL is set: other commands use that server, not the private one'

export function serverJson(server: PrivatePostgres): JsonObject {
  return {
    url: server.connectionString,
    pid: server.serverPid,
    version: server.version,
    folder: server.stateFolder,
  }
}

export function statusJson(status: PrivatePostgresStatus): JsonObject {
  return {
    state: status.state,
    pid: status.pid,
    version: status.version,
    url: status.connectionString,
    folder: status.stateFolder,
    log_folder: status.logFolder,
    size_bytes: status.sizeBytes,
    started_at: status.startedAt?.toISOString() ?? null,
  }
}

export function statusFields(
  status: PrivatePostgresStatus,
): readonly (readonly [string, string])[] {
  const fields: (readonly [string, string])[] = [['state', status.state]]
  if (status.pid !== null) fields.push(['pid', String(status.pid)])
  if (status.startedAt) fields.push(['started', age(status.startedAt.toISOString())])
  if (status.version !== null) fields.push(['version', `Postgres ${status.version}`])
  if (status.connectionString !== null) fields.push(['url', status.connectionString])
  fields.push(['folder', status.stateFolder], ['logs', status.logFolder])
  if (status.version !== null) fields.push(['size', formatSize(status.sizeBytes)])
  return fields
}
