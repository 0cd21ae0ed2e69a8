import { parseDatabaseUrl } from '../database/index.ts'
import { KilnError } from '../errors/index.ts'
import type { PostgresPlace } from './datasource.ts'

/**
 * Reads a connection URL. Its errors name where it came from and quote nothing of it.
 *
 * @throws KilnError DATASOURCE_INVALID.
 */
export function parsePostgresUrl(text: string, source: string): URL {
  try {
    return parseDatabaseUrl(text)
  } catch {
    // Not passed on as the cause: it speaks of DATABASE_URL, which this is not.
    throw new KilnError('DATASOURCE_INVALID', `${source} is not a Postgres URL`, {
      hint: 'write it as postgresql://user:password@host:5432/database',
    })
  }
}

/** Host, port, database and user, with the defaults that libpq has; no password. */
export function placeOf(url: URL): PostgresPlace {
  const user = decode(url.username) || url.searchParams.get('user') || ''
  return {
    host: url.hostname || url.searchParams.get('host') || 'localhost',
    port: Number(url.port || url.searchParams.get('port') || 5432),
    database: decode(url.pathname.slice(1)) || url.searchParams.get('dbname') || user,
    user,
  }
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    // A lone percent sign: shown as it was written.
    return text
  }
}
