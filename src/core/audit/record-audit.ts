import { createHash } from 'node:crypto'
import { hostname } from 'node:os'
import type { Operator } from '../context.ts'
import type { Queries } from '../database/index.ts'

/** One change an operator made. */
export interface AuditEntry {
  /** `analysis.create`, `job.cancel`: the noun and verb of the command. */
  readonly action: string
  readonly targetType: string
  readonly targetId: string
  readonly targetName?: string
  /** States before and after; kept as hashes, so that no secret is copied into the log. */
  readonly before?: unknown
  readonly after?: unknown
  readonly details?: Readonly<Record<string, unknown>>
}

/**
 * Writes one row of the audit log. Call it inside the transaction of the change it records: either
 * both are there or neither.
 */
export async function recordAudit(
  transaction: Queries,
  operator: Operator,
  entry: AuditEntry,
): Promise<void> {
  await recordAudits(transaction, operator, [entry])
}

/** The same for many changes, in their order, in one statement. */
export async function recordAudits(
  transaction: Queries,
  operator: Operator,
  entries: readonly AuditEntry[],
): Promise<void> {
  if (entries.length === 0) return
  const rows = entries.map((entry) => ({
    actor: operator.actor,
    source: operator.source,
    action: entry.action,
    targetType: entry.targetType,
    targetId: entry.targetId,
    targetName: entry.targetName ?? null,
    beforeHash: hashOf(entry.before),
    afterHash: hashOf(entry.after),
    details: JSON.stringify(entry.details ?? {}),
    host: hostname(),
    pid: process.pid,
  }))
  await transaction.insertInto('analysisAuditLog').values(rows).execute()
}

/** SHA-256 of the canonical JSON text, so that equal states have equal hashes; null for nothing. */
function hashOf(state: unknown): string | null {
  if (state === undefined || state === null) return null
  return createHash('sha256').update(canonicalJson(state)).digest('hex')
}

function canonicalJson(value: unknown): string {
  return JSON.stringify(value, (_key, inner: unknown) =>
    inner !== null && typeof inner === 'object' && !Array.isArray(inner)
      ? Object.fromEntries(Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : 1)))
      : inner,
  )
}
