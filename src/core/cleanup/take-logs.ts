import { sql } from 'kysely'
import type { Queries } from '../database/index.ts'
import type { Batch, BatchInput } from './batch.ts'

/**
 * Log lines by age, of jobs that have ended; the last 100 of each stay in the job's own row. Of lines
 * of one instant the whole lot is looked at, so that the instant alone is the cursor.
 */
export async function takeLogs(
  transaction: Queries,
  { before, after, limit, dryRun }: BatchInput,
): Promise<Batch> {
  const { rows } = await sql<{ count: number; looked: number; last: string | null }>`
    with page as (
      select logged_at
      from analysis_job_logs
      where logged_at < ${before}::timestamptz
        and logged_at > ${after?.at ?? '-infinity'}::timestamptz
      order by logged_at
      limit ${limit}
    ),
    looked as (
      select line.ctid as place, line.job_id
      from analysis_job_logs line
      where line.logged_at >= (select min(logged_at) from page)
        and line.logged_at <= (select max(logged_at) from page)
    ),
    old as (
      select looked.place
      from looked
      join analysis_jobs job on job.id = looked.job_id
      where job.status in ('completed', 'failed', 'cancelled')
    )
    ${
      dryRun
        ? sql`select (select count(*) from old)::integer as count,`
        : sql`, gone as (
            delete from analysis_job_logs
            where ctid = any (array(select place from old))
            returning 1
          )
          select (select count(*) from gone)::integer as count,`
    }
      (select count(*) from page)::integer as looked,
      (select max(logged_at) from page) as last
  `.execute(transaction)
  const { count = 0, looked = 0, last = null } = rows[0] ?? {}
  return {
    count,
    files: [],
    next: last !== null && looked === limit ? { at: last, key: '' } : undefined,
  }
}
