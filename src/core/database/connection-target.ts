import type { ClientConfig } from 'pg'
import type { Settings } from '../config/index.ts'
import { KilnError } from '../errors/index.ts'
import { type PrivatePostgresOptions, ensurePrivatePostgres } from './private-postgres/index.ts'

/** Where to connect, and how to call it in messages. */
export interface ConnectionTarget {
  readonly config: ClientConfig
  /** Host, port and database without user or password. */
  readonly label: string
  readonly isPrivate: boolean
  /** True: nothing is to be written there, not even in passing. */
  readonly isReadOnly?: boolean
}

/**
 * Makes the kernel look after idle connections: Node asks ten times, a second apart, after this
 * silence, so that a host that vanished is noticed after 20 s and not after two hours.
 */
export const tcpKeepalive = { keepAlive: true, keepAliveInitialDelayMillis: 10_000 } as const

type TargetSettings = Pick<Settings, 'databaseUrl' | 'databaseReadonlyUrl' | 'dataDir'>

/**
 * The Postgres that commands use: `DATABASE_URL`, or the private one of the data folder, made or
 * started if it does not run and may be. For what only reads it is `DATABASE_READONLY_URL`, where that is set.
 *
 * @throws KilnError SETTING_INVALID for a URL that is none, or what starting the private one throws.
 */
export async function resolveTarget(
  settings: TargetSettings,
  options: Pick<PrivatePostgresOptions, 'signal' | 'privateServer'> & {
    readonly readsOnly?: boolean
  } = {},
): Promise<ConnectionTarget> {
  if (options.readsOnly && settings.databaseReadonlyUrl !== undefined) {
    const url = parseDatabaseUrl(settings.databaseReadonlyUrl, 'DATABASE_READONLY_URL')
    return { ...targetOf(url), isReadOnly: true }
  }
  const databaseUrl = writableUrl(settings)
  if (databaseUrl === undefined) {
    const { signal, privateServer } = options
    const server = await ensurePrivatePostgres({
      dataDir: settings.dataDir,
      ...(signal ? { signal } : {}),
      ...(privateServer ? { privateServer } : {}),
    })
    return { config: server.connection, label: 'the private Postgres', isPrivate: true }
  }
  return targetOf(parseDatabaseUrl(databaseUrl))
}

const targetOf = (url: URL): ConnectionTarget => ({
  config: { connectionString: url.href },
  label: labelOf(url),
  isPrivate: false,
})

/**
 * `DATABASE_URL`; undefined means the private Postgres. With the other URL alone no private one is
 * started: a job that was queued there would never be seen where the reading commands look.
 *
 * @throws KilnError SETTING_INVALID.
 */
export function writableUrl(settings: Omit<TargetSettings, 'dataDir'>): string | undefined {
  const { databaseUrl, databaseReadonlyUrl } = settings
  if (databaseUrl === undefined && databaseReadonlyUrl !== undefined) {
    throw new KilnError(
      'SETTING_INVALID',
      'only DATABASE_READONLY_URL is set, and this command may write',
      { hint: 'set DATABASE_URL to the database that takes writes' },
    )
  }
  return databaseUrl
}

/** Reads a URL as other programs write it too: `postgres:`, `postgresql:`, `postgresql+asyncpg:`. */
export function parseDatabaseUrl(text: string, setting = 'DATABASE_URL'): URL {
  const normal = text
    .trim()
    .replace(/^postgres(ql)?(\+\w+)?:/, 'postgresql:')
    // libpq's way to name a user and a unix socket (?host=/folder) is no URL to others.
    .replace(/^(postgresql:\/\/[^/@?]*@)(?=[/?:])/, '$1localhost')
  const url = normal.startsWith('postgresql:') && URL.canParse(normal) ? new URL(normal) : undefined
  if (!url) {
    throw new KilnError('SETTING_INVALID', `${setting} is not a Postgres URL`, {
      hint: 'write it as postgresql://user:password@host:5432/database',
    })
  }
  if (url.pathname.includes('@') || url.search.includes('@')) {
    // An @ or / of the password ended the host early: what follows it must not be shown.
    throw new KilnError('SETTING_INVALID', `${setting} has an @ after its host`, {
      hint: 'percent-encode the password: @ is %40, / is %2F, : is %3A',
    })
  }
  return url
}

function labelOf(url: URL): string {
  const host = url.searchParams.get('host') || url.hostname || 'localhost'
  return `${host}${url.port ? `:${url.port}` : ''}${url.pathname === '/' ? '' : url.pathname}`
}
