import { sql } from 'kysely'
import { type Queries, isLockTimeout } from '../database/index.ts'
import { contentOfRow, hashOf, noHash } from './chain.ts'

/** Rows of one transaction: some milliseconds for which others cannot write to the log. */
const batchSize = 1000
/** An operator's change that takes long is waited for next time. */
const lockTimeoutMs = 1000

/**
 * Seals the rows that are there, in the order of their ids; returns how many. One at a time on a
 * database: a second one does nothing. Safe to repeat and to kill.
 */
export async function sealAudit(queries: Queries): Promise<number> {
  if (!(await hasUnsealed(queries))) return 0
  let sealed = 0
  for (;;) {
    const count = await sealBatch(queries).catch((error: unknown) => {
      if (isLockTimeout(error)) return 0
      throw error
    })
    sealed += count
    if (count < batchSize) return sealed
  }
}

async function hasUnsealed(queries: Queries): Promise<boolean> {
  const { rows } = await sql<{ some: boolean }>`
    select exists (select from analysis_audit_log where hash is null) as some
  `.execute(queries)
  return rows[0]?.some ?? false
}

function sealBatch(queries: Queries): Promise<number> {
  return queries.transaction().execute(async (transaction) => {
    await sql`
      select set_config('lock_timeout', ${String(lockTimeoutMs)}, true)
    `.execute(transaction)
    const { rows: locks } = await sql<{ taken: boolean }>`
      select pg_try_advisory_xact_lock(hashtext('kiln_audit'), 0) as taken
    `.execute(transaction)
    if (!locks[0]?.taken) return 0
    // Ids are given out before their transactions commit. With this lock nobody is between the two, so
    // that no row can come to stand before one that has been sealed.
    await sql`lock table analysis_audit_log in share row exclusive mode`.execute(transaction)
    const { rows: heads } = await sql<{ lastId: number; lastHash: string }>`
      select last_id, last_hash from analysis_audit_head
    `.execute(transaction)
    const head = heads[0] ?? { lastId: 0, lastHash: noHash }
    const { rows } = await sql<{ id: number; content: string }>`
      select log.id, ${contentOfRow} as content
      from analysis_audit_log log
      where log.hash is null
        -- One before it was put in later, by hand: verify tells of it.
        and log.id > ${head.lastId}
      order by log.id
      limit ${batchSize}
    `.execute(transaction)
    const seals = sealsOf(rows, head.lastHash)
    const last = seals.at(-1)
    if (!last) return 0
    await sql`
      update analysis_audit_log log
      set previous_hash = seal.previous_hash, hash = seal.hash
      from unnest(
          ${seals.map(({ id }) => id)}::bigint[],
          ${seals.map(({ previousHash }) => previousHash)}::text[],
          ${seals.map(({ hash }) => hash)}::text[]
        ) as seal (id, previous_hash, hash)
      where log.id = seal.id
    `.execute(transaction)
    await sql`
      insert into analysis_audit_head as head (last_id, last_hash, sealed_count)
      values (${last.id}, ${last.hash}, ${seals.length})
      on conflict (id) do update
      set last_id = excluded.last_id,
        last_hash = excluded.last_hash,
        sealed_count = head.sealed_count + excluded.sealed_count,
        sealed_at = now()
    `.execute(transaction)
    return seals.length
  })
}

interface Seal {
  readonly id: number
  readonly previousHash: string
  readonly hash: string
}

function sealsOf(
  rows: readonly { readonly id: number; readonly content: string }[],
  lastHash: string,
): readonly Seal[] {
  let previousHash = lastHash
  return rows.map(({ id, content }) => {
    const seal = { id, previousHash, hash: hashOf(previousHash, content) }
    previousHash = seal.hash
    return seal
  })
}
