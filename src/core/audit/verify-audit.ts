import { sql } from 'kysely'
import type { Queries } from '../database/index.ts'
import { contentOfRow, hashOf, noHash } from './chain.ts'
import { sealAudit } from './seal-audit.ts'

/** A row as it was sealed once, kept where nobody who writes to the database can change it. */
export interface KnownSeal {
  readonly id: number
  readonly hash: string
}

export interface AuditFinding {
  /**
   * `changed`: the row is not what was sealed; `missing`: rows between this one and the one before it
   * are gone; `unsealed`: it stands among sealed rows without a seal; `cut_off`: rows are gone from the
   * end of the chain; `replaced`: it is not the chain that went through the seal that is known.
   */
  readonly kind: 'changed' | 'missing' | 'unsealed' | 'cut_off' | 'replaced'
  /** The row it was found at; of `cut_off` the last one that was sealed, of `replaced` the known one. */
  readonly id: number
  readonly message: string
}

export interface AuditVerdict {
  readonly sealed: number
  /** Written since the last seal: nothing is known of them. */
  readonly unsealed: number
  readonly lastSealedId: number | null
  /** Whoever keeps it can tell the chain from one that was computed anew: see `KnownSeal`. */
  readonly lastHash: string | null
  readonly sealedAt: string | null
  /** At most `mostFindings`. */
  readonly findings: readonly AuditFinding[]
}

const pageSize = 5000
/** One row that is missing is one finding; a log that was replaced would be a million. */
const mostFindings = 100

/** The identity begins with 1; by hand a row may have any number. */
const beforeAll = -(2 ** 62)

interface SealedRow {
  readonly id: number
  readonly content: string
  readonly previousHash: string | null
  readonly hash: string | null
}

/**
 * Recomputes the chain, row by row, in one snapshot; changes nothing. A chain that was emptied, or
 * computed anew as a whole, is in order by itself: it is found by a seal that was kept elsewhere.
 */
export function verifyAudit(queries: Queries, known?: KnownSeal): Promise<AuditVerdict> {
  return queries
    .transaction()
    .setIsolationLevel('repeatable read')
    .setAccessMode('read only')
    .execute(async (transaction) => {
      const head = await readHead(transaction)
      const chain = await walk(transaction, head?.lastId ?? 0)
      const { rows } = await sql<{ count: number }>`
        select count(*)::integer as count from analysis_audit_log where hash is null
      `.execute(transaction)
      const findings = [...chain.findings]
      const cutOff = cutOffOf(head, chain)
      if (cutOff) findings.push(cutOff)
      const replaced = known && (await replacedOf(transaction, known))
      if (replaced) findings.push(replaced)
      return {
        sealed: chain.sealed,
        unsealed: rows[0]?.count ?? 0,
        ...endOf(head),
        findings,
      }
    })
}

/** Seals what is not, unless something was found: the verdict as it is then. */
export async function sealVerified(queries: Queries, verdict: AuditVerdict): Promise<AuditVerdict> {
  if (verdict.findings.length > 0) return verdict
  const count = await sealAudit(queries)
  if (count === 0) return verdict
  return {
    ...verdict,
    sealed: verdict.sealed + count,
    unsealed: verdict.unsealed - count,
    ...endOf(await readHead(queries)),
  }
}

const endOf = (head: Head | undefined) => ({
  lastSealedId: head?.lastId ?? null,
  lastHash: head?.lastHash ?? null,
  sealedAt: head?.sealedAt ?? null,
})

/** That the rows up to it are those of then follows from the chain, which has been walked. */
async function replacedOf(
  transaction: Queries,
  { id, hash }: KnownSeal,
): Promise<AuditFinding | undefined> {
  const { rows } = await sql<{ hash: string | null }>`
    select hash from analysis_audit_log where id = ${id}
  `.execute(transaction)
  if (rows[0]?.hash === hash) return undefined
  const message = rows[0]
    ? `row ${id} has another seal than was expected: the chain was computed anew`
    : `row ${id} was expected to be sealed, and is not there`
  return { kind: 'replaced', id, message }
}

/** The end has nobody after it who knows of it, but for the head. */
function cutOffOf(head: Head | undefined, chain: Chain): AuditFinding | undefined {
  const { lastId: id } = head ?? chain
  if (head === undefined) {
    if (chain.sealed === 0) return undefined
    const message = `nothing says any more that the chain ended with row ${id}: its head is gone`
    return { kind: 'cut_off', id, message }
  }
  const isWhole = chain.lastHash === head.lastHash
  // A row that was changed or lost its seal has been told of.
  if (isWhole || (chain.lastId === id && chain.findings.length > 0)) return undefined
  const message = `the chain ended with row ${id}, and ends with row ${chain.lastId} now`
  return { kind: 'cut_off', id, message }
}

interface Head {
  readonly lastId: number
  readonly lastHash: string
  readonly sealedAt: string
}

async function readHead(transaction: Queries): Promise<Head | undefined> {
  const { rows } = await sql<Head>`
    select last_id, last_hash, sealed_at from analysis_audit_head
  `.execute(transaction)
  return rows[0]
}

interface Chain {
  readonly sealed: number
  readonly lastId: number
  readonly lastHash: string
  readonly findings: readonly AuditFinding[]
}

async function walk(transaction: Queries, headId: number): Promise<Chain> {
  const findings: AuditFinding[] = []
  const add = (kind: AuditFinding['kind'], id: number, message: string): void => {
    if (findings.length < mostFindings) findings.push({ kind, id, message })
  }
  let chain = { sealed: 0, lastId: 0, lastHash: noHash }
  let afterId = beforeAll
  for (;;) {
    const rows = await page(transaction, afterId, headId)
    afterId = rows.at(-1)?.id ?? afterId
    for (const row of rows) {
      const { id, content, previousHash, hash } = row
      if (hash === null || previousHash === null) {
        if (id <= headId) add('unsealed', id, `row ${id} stands among sealed rows without a seal`)
        chain = { ...chain, lastId: id }
        continue
      }
      if (previousHash !== chain.lastHash) {
        add('missing', id, `rows between ${chain.lastId} and ${id} are missing`)
      }
      if (hashOf(previousHash, content) !== hash) {
        add('changed', id, `row ${id} is not what was sealed`)
      }
      chain = { sealed: chain.sealed + 1, lastId: id, lastHash: hash }
    }
    if (rows.length < pageSize) return { ...chain, findings }
  }
}

/** Sealed rows, and those without a seal among them. */
async function page(
  transaction: Queries,
  afterId: number,
  headId: number,
): Promise<readonly SealedRow[]> {
  const { rows } = await sql<SealedRow>`
    select log.id, ${contentOfRow} as content, log.previous_hash, log.hash
    from analysis_audit_log log
    where log.id > ${afterId}
      and (log.hash is not null or log.id <= ${headId})
    order by log.id
    limit ${pageSize}
  `.execute(transaction)
  return rows
}
