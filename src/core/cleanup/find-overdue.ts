import { sql } from 'kysely'
import type { Settings } from '../config/index.ts'
import type { Queries } from '../database/index.ts'
import type { CleanupKind } from './cleanup-report.ts'
import type { Cursor } from './batch.ts'
import { retentionOf } from './retention.ts'
import { rowKinds } from './row-kinds.ts'

const pageSize = 500

/**
 * Whether cleanup would take rows of a kind that were already due so long ago: by the statements of
 * cleanup itself, as a dry run that ends with the first it finds. Undefined when `isOver` said so first.
 */
export async function isOverdue(
  transaction: Queries,
  settings: Pick<Settings, 'resultRetentionMs' | 'jobRetentionMs'>,
  input: {
    readonly kind: CleanupKind
    readonly sinceMs: number
    readonly isOver: () => boolean
  },
): Promise<boolean | undefined> {
  const kind = rowKinds.find((one) => one.kind === input.kind)
  if (!kind) return false
  const ageMs = kind.ageMs(retentionOf(settings, {})) + input.sinceMs
  const { rows } = await sql<{ before: string }>`
    select now() - make_interval(secs => ${ageMs / 1000}) as before
  `.execute(transaction)
  const before = rows[0]?.before ?? '-infinity'
  let after: Cursor | undefined
  do {
    if (input.isOver()) return undefined
    const batch = await kind.take(transaction, { before, after, limit: pageSize, dryRun: true })
    if (batch.count > 0) return true
    after = batch.next
  } while (after)
  return false
}
