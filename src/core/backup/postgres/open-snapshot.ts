import type { ConnectionTarget } from '../../database/index.ts'
import { KilnError } from '../../errors/index.ts'
import { acquireSchemaLock } from '../../migrate/index.ts'
import { ownTables } from '../own-tables.ts'
import { Reader } from './reader.ts'

export interface SnapshotOptions {
  readonly target: ConnectionTarget
  readonly signal: AbortSignal
  /** Connections that read at a time. */
  readonly readers: number
  /** How long to wait for those who hold tables, or migrate. */
  readonly lockTimeoutMs: number
  readonly silenceLimitMs: number
}

/** Several connections that see the same state, and keep the tables as they are. */
export interface Snapshot {
  readonly id: string
  /** The first one exported the snapshot: while it is open, others can join. */
  readonly readers: readonly [Reader, ...Reader[]]
  /** Schema of Kiln's tables, quoted. */
  readonly schema: string
  close(): Promise<void>
}

/** An answer comes later than the lock's own limit only when the network is silent. */
const answerMs = 10_000

/**
 * Opens a snapshot of Kiln's tables. All connections lock them first, with a limit: a TRUNCATE of
 * another session would empty what a snapshot without locks reads, and a connection that asked for its
 * lock later could wait behind somebody who waits for ours. Migrations are kept out meanwhile.
 *
 * @throws KilnError LOCK_TIMEOUT, SCHEMA_MISSING, DATABASE_CONNECTION_FAILED.
 */
export async function openSnapshot(options: SnapshotOptions): Promise<Snapshot> {
  const readers: Reader[] = []
  const close = async () => void (await Promise.all(readers.map((reader) => reader.close())))
  const open = async (): Promise<Reader> => {
    const reader = await Reader.open(options)
    readers.push(reader)
    return reader
  }
  try {
    const first = await open()
    const { lockTimeoutMs, signal } = options
    await first.guard(
      () => acquireSchemaLock(first.client, { mode: 'shared', timeoutMs: lockTimeoutMs, signal }),
      lockTimeoutMs + answerMs,
    )
    const schema = await findSchema(first)
    const others: Reader[] = []
    await begin(first, schema, options)
    while (readers.length < options.readers) others.push(await open())
    for (const reader of others) await begin(reader, schema, options)
    const [exported] = await first.ask<{ id: string }>('select pg_export_snapshot() as id')
    const id = exported?.id ?? ''
    for (const reader of others) await reader.ask(`set transaction snapshot '${id}'`)
    return { id, readers: [first, ...others], schema, close }
  } catch (error) {
    await close()
    throw error
  }
}

async function begin(reader: Reader, schema: string, options: SnapshotOptions): Promise<void> {
  const { lockTimeoutMs } = options
  const names = ownTables().map((name) => `${schema}.${name}`)
  await reader.ask(`set lock_timeout = ${Math.max(1, Math.round(lockTimeoutMs))}`)
  await reader.ask('begin isolation level repeatable read read only')
  await reader.ask(
    `lock table ${names.join(', ')} in access share mode`,
    [],
    lockTimeoutMs + Math.max(answerMs, options.silenceLimitMs),
  )
}

async function findSchema(reader: Reader): Promise<string> {
  const [row] = await reader.ask<{ schema: string }>(
    `select quote_ident(n.nspname) as schema
     from pg_class c
     join pg_namespace n on n.oid = c.relnamespace
     where c.oid = to_regclass('kiln_migrations')`,
  )
  if (row) return row.schema
  throw new KilnError('SCHEMA_MISSING', 'the database has not been migrated', {
    hint: 'run: kiln migrate',
  })
}
