import { createHash } from 'node:crypto'
import { sql } from 'kysely'

/** The hash before the first row. */
export const noHash = '0'.repeat(64)

/** The hash of a row, given that of the row before it. */
export function hashOf(previousHash: string, content: string): string {
  return createHash('sha256').update(`${previousHash}\n${content}`).digest('hex')
}

/**
 * All of a row but its seal, as text that is the same on every server and in every session: a JSON
 * array of texts, the time in UTC with its microseconds. docs/audit.md tells others how to check it.
 */
export const contentOfRow = sql<string>`
  jsonb_build_array(
    log.id::text,
    to_char(log.occurred_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
    log.actor, log.action, log.target_type, log.target_id, log.target_name,
    log.before_hash, log.after_hash, log.details::text, log.source, log.host, log.pid::text
  )::text
`
