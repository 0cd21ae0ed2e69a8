import { setTimeout as sleep } from 'node:timers/promises'
import type { ClientBase } from 'pg'
import { KilnError } from '../errors/index.ts'

/**
 * The advisory lock of everything that changes or copies the whole schema: migrations hold it
 * exclusively, backup and restore take the same. "kiln" in ASCII, so that pg_locks tells whose it is.
 */
export const schemaLock = { classId: 0x6b696c6e, objectId: 1 } as const

/** A session of the server, as far as this role may see it. */
export interface LockHolder {
  readonly pid: number
  readonly applicationName: string | null
  readonly clientAddress: string | null
  /** Since when it is connected, or in its transaction; RFC 3339. */
  readonly since: string | null
}

export interface AcquireOptions {
  /** `shared` keeps migrations out and lets other readers of the schema in. */
  readonly mode?: 'exclusive' | 'shared'
  readonly timeoutMs: number
  readonly signal?: AbortSignal | undefined
  /** Called once, when the lock is not free at once. */
  readonly onWait?: ((holders: readonly LockHolder[]) => void) | undefined
}

/**
 * Takes the lock for the session of `client`; it ends with that session. Needs a connection of its
 * own: a pooler in transaction mode would leave the lock with whoever comes next.
 *
 * @throws KilnError LOCK_TIMEOUT naming the holders, or the reason of the signal.
 */
export async function acquireSchemaLock(
  client: ClientBase,
  options: AcquireOptions,
): Promise<void> {
  const suffix = options.mode === 'shared' ? '_shared' : ''
  const deadline = performance.now() + options.timeoutMs
  let pauseMs = 20
  let hasWaited = false
  // Asked again and again rather than waited for inside Postgres: a session that waits there holds
  // a snapshot, and the holder's CREATE INDEX CONCURRENTLY would wait for us as we for it.
  for (;;) {
    options.signal?.throwIfAborted()
    const { rows } = await client.query<{ taken: boolean }>(
      `select pg_try_advisory_lock${suffix}($1, $2) as taken`,
      [schemaLock.classId, schemaLock.objectId],
    )
    if (rows[0]?.taken) return
    const leftMs = deadline - performance.now()
    if (!hasWaited || leftMs <= 0) {
      const holders = await schemaLockHolders(client)
      if (leftMs <= 0) throw timedOut(holders, options.timeoutMs)
      hasWaited = true
      options.onWait?.(holders)
    }
    await sleep(Math.min(pauseMs, leftMs), undefined, { signal: options.signal }).catch(() =>
      options.signal?.throwIfAborted(),
    )
    pauseMs = Math.min(pauseMs * 2, 500)
  }
}

/** Gives the lock back before its session ends. */
export async function releaseSchemaLock(client: ClientBase, isShared = false): Promise<void> {
  await client.query(`select pg_advisory_unlock${isShared ? '_shared' : ''}($1, $2)`, [
    schemaLock.classId,
    schemaLock.objectId,
  ])
}

/** An instant as text: the parsers of the caller's connection may make anything of a timestamp. */
export const instantSql = (expression: string): string =>
  `to_char(${expression} at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"')`

/** Who holds the lock now. */
const schemaLockHolders = (client: ClientBase): Promise<readonly LockHolder[]> =>
  holdersOf(client, schemaLock)

/** Who holds an advisory lock of two keys in this database. */
export async function holdersOf(
  client: ClientBase,
  lock: { readonly classId: number; readonly objectId: number },
): Promise<readonly LockHolder[]> {
  const { rows } = await client.query<LockHolder>(
    `select
       l.pid,
       nullif(a.application_name, '') as "applicationName",
       coalesce(host(a.client_addr), case when a.client_port = -1 then 'local socket' end)
         as "clientAddress",
       ${instantSql('a.backend_start')} as since
     from pg_locks l
     left join pg_stat_activity a using (pid)
     where l.locktype = 'advisory'
       and l.database = (select oid from pg_database where datname = current_database())
       and l.classid = $1 and l.objid = $2 and l.objsubid = 2
       and l.granted
     order by l.pid`,
    [lock.classId, lock.objectId],
  )
  return rows
}

/** `pid 4711 (kiln migrate, 10.0.0.7, since 2026-01-02T03:04:05Z)`, for messages. */
export function describeHolders(holders: readonly LockHolder[]): string {
  if (holders.length === 0) return 'a session that has just ended'
  return holders
    .map((holder) => {
      const facts = [
        holder.applicationName,
        holder.clientAddress,
        holder.since === null ? null : `since ${holder.since}`,
      ].filter((fact) => fact !== null)
      return `pid ${holder.pid}${facts.length > 0 ? ` (${facts.join(', ')})` : ''}`
    })
    .join(', ')
}

function timedOut(holders: readonly LockHolder[], timeoutMs: number): KilnError {
  return new KilnError(
    'LOCK_TIMEOUT',
    `the migration lock was not free within ${timeoutMs / 1000} s: held by ${describeHolders(holders)}`,
    {
      hint: 'wait for the migration, backup or restore that holds it, or give more time: --lock-timeout 10m',
      details: { holders: holders.map(holderJson) },
    },
  )
}

/** A holder as `--json` shows it. */
export function holderJson(holder: LockHolder): Readonly<Record<string, unknown>> {
  return {
    pid: holder.pid,
    application_name: holder.applicationName,
    client_address: holder.clientAddress,
    since: holder.since,
  }
}
