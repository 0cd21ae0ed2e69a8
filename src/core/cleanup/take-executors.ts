import { sql } from 'kysely'
import type { Queries } from '../database/index.ts'
import type { Batch, BatchInput } from './batch.ts'
import { zeroId } from './take-results.ts'

/**
 * Executors that stopped before the oldest job that is kept was made, so that no job names them. Every
 * one-shot command leaves a row. Their counters have moved on by then, or move with the next fold.
 */
export async function takeExecutors(
  transaction: Queries,
  { before, after, limit, dryRun }: BatchInput,
): Promise<Batch> {
  const { rows } = await sql<{ id: string; at: string }>`
    select id, started_at as at
    from analysis_executors executor
    where stopped_at < ${before}::timestamptz
      and (started_at, id)
        > (${after?.at ?? '-infinity'}::timestamptz, ${after?.key ?? zeroId}::uuid)
      and not exists (select from analysis_leases lease where lease.executor_id = executor.id)
    order by started_at, id
    limit ${limit}
  `.execute(transaction)
  if (!dryRun) {
    await sql`
      delete from analysis_executors
      where id = any (${rows.map(({ id }) => id)}::uuid[])
    `.execute(transaction)
  }
  const last = rows.at(-1)
  return {
    count: rows.length,
    files: [],
    next: last && rows.length === limit ? { at: last.at, key: last.id } : undefined,
  }
}
