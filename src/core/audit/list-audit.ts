import type { Queries } from '../database/index.ts'
import { KilnError } from '../errors/index.ts'

/** A change that somebody made. */
export interface AuditRow {
  readonly id: number
  readonly occurredAt: string
  readonly actor: string
  readonly source: string
  readonly action: string
  readonly targetType: string
  readonly targetId: string
  readonly targetName: string | null
  readonly details: unknown
  readonly beforeHash: string | null
  readonly afterHash: string | null
  readonly host: string | null
  readonly pid: number | null
  /** Of the row before it in the chain, and its own; null until it is sealed. */
  readonly previousHash: string | null
  readonly hash: string | null
}

export interface AuditFilter {
  readonly limit: number
  /** `nextCursor` of the page before. */
  readonly cursor?: string | undefined
  readonly actor?: string | undefined
  /** The whole action, or its noun: `job.cancel`, `job`. */
  readonly action?: string | undefined
  /** Id or name of what was changed. */
  readonly target?: string | undefined
  readonly since?: string | undefined
  readonly until?: string | undefined
}

/**
 * Rows of the audit log, newest first.
 *
 * @throws KilnError USAGE for a cursor that no page gave.
 */
export async function listAudit(
  queries: Queries,
  filter: AuditFilter,
): Promise<{ readonly rows: readonly AuditRow[]; readonly nextCursor: string | null }> {
  const { limit, cursor, actor, action, target, since, until } = filter
  let query = queries
    .selectFrom('analysisAuditLog')
    .select([
      'id',
      'occurredAt',
      'actor',
      'source',
      'action',
      'targetType',
      'targetId',
      'targetName',
      'details',
      'beforeHash',
      'afterHash',
      'host',
      'pid',
      'previousHash',
      'hash',
    ])
    .orderBy('id', 'desc')
    .limit(limit + 1)
  if (cursor !== undefined) query = query.where('id', '<', readCursor(cursor))
  if (actor !== undefined) query = query.where('actor', '=', actor)
  if (since !== undefined) query = query.where('occurredAt', '>=', since)
  if (until !== undefined) query = query.where('occurredAt', '<', until)
  if (action !== undefined) {
    query = query.where(({ eb, or }) =>
      or([eb('action', '=', action), eb('action', 'like', `${escapeLike(action)}.%`)]),
    )
  }
  if (target !== undefined) {
    query = query.where(({ eb, or }) =>
      or([eb('targetId', '=', target), eb('targetName', '=', target)]),
    )
  }
  const rows = (await query.execute()) as unknown as AuditRow[]
  const page = rows.slice(0, limit)
  return { rows: page, nextCursor: rows.length > limit ? String(page.at(-1)?.id) : null }
}

function readCursor(cursor: string): number {
  if (/^\d{1,15}$/.test(cursor)) return Number(cursor)
  throw new KilnError('USAGE', 'the cursor is not one that a page gave', {
    hint: 'use next_cursor of the page before, or leave --cursor out',
  })
}

const escapeLike = (text: string): string => text.replace(/[\\%_]/g, '\\$&')
