import { loadSettings } from '../core/config/index.ts'
import { parseDatabaseUrl, writableUrl } from '../core/database/connection-target.ts'
import { ensurePrivatePostgres } from '../core/database/private-postgres/index.ts'
import { splitPassword } from '../core/database/split-password.ts'

/** The database that commands use, as other programs take it. */
export interface ToolConnection {
  /** Without a password. */
  readonly url: string
  readonly password: string | undefined
  readonly isPrivate: boolean
}

export async function connectionForTools(
  databaseUrlFlag: string | undefined,
  signal: AbortSignal,
): Promise<ToolConnection> {
  const { settings } = loadSettings({
    flags: databaseUrlFlag === undefined ? {} : { databaseUrl: databaseUrlFlag },
  })
  const databaseUrl = writableUrl(settings)
  if (databaseUrl === undefined) {
    const server = await ensurePrivatePostgres({ dataDir: settings.dataDir, signal })
    return { url: server.connectionString, password: undefined, isPrivate: true }
  }
  const { url, password } = splitPassword(parseDatabaseUrl(databaseUrl))
  return { url: url.href, password, isPrivate: false }
}
