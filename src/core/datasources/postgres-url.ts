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
      hint: 'write it as postgresql://user:password@host:5432/database, the password percent-encoded',
    })
  }
}

/**
 * Host, port, database and user, as the driver takes them: those after `?` win. No password.
 */
export function placeOf(url: URL): PostgresPlace {
  const { searchParams } = url
  const user = searchParams.get('user') || decode(url.username)
  return {
    host: searchParams.get('host') || url.hostname || 'localhost',
    port: Number(searchParams.get('port') || url.port || 5432),
    database: decode(url.pathname.slice(1)) || user,
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
