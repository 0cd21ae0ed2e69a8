import { sql } from 'kysely'
import type { Queries } from '../database/index.ts'
import type { Batch, BatchInput, NamedFile } from './batch.ts'

interface Row extends NamedFile {
  readonly id: string
  readonly at: string
  readonly isFinal: boolean
}

/** Rows of stored results by age; a job that has not ended keeps whatever its row names. */
export async function takeResults(
  transaction: Queries,
  { before, after, limit, dryRun }: BatchInput,
): Promise<Batch> {
  const { rows } = await sql<Row>`
    select stored.id, stored.created_at as at, stored.storage_path, stored.data_folder_id,
      stored.size_bytes, job.status in ('completed', 'failed', 'cancelled') as is_final
    from analysis_result_storage stored
    join analysis_jobs job on job.id = stored.job_id
    where stored.created_at < ${before}::timestamptz
      and (stored.created_at, stored.id)
        > (${after?.at ?? '-infinity'}::timestamptz, ${after?.key ?? zeroId}::uuid)
    order by stored.created_at, stored.id
    limit ${limit}
  `.execute(transaction)
  const old = rows.filter(({ isFinal }) => isFinal)
  if (!dryRun) {
    await sql`
      delete from analysis_result_storage
      where id = any (${old.map(({ id }) => id)}::uuid[])
    `.execute(transaction)
  }
  const last = rows.at(-1)
  return {
    count: old.length,
    files: old,
    next: last && rows.length === limit ? { at: last.at, key: last.id } : undefined,
  }
}

/** Before every id. */
export const zeroId = '00000000-0000-0000-0000-000000000000'
