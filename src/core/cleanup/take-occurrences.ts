import { sql } from 'kysely'
import type { Queries } from '../database/index.ts'
import type { Batch, BatchInput } from './batch.ts'
import { zeroId } from './take-results.ts'

/**
 * Occurrences of schedules by age, both of the instant and of the decision, since a backfill decides
 * today on last year. The last one of each schedule stays, and so does one whose job has not ended.
 * Looked at one schedule after the other, in the order of their key.
 */
export async function takeOccurrences(
  transaction: Queries,
  { before, after, limit, dryRun }: BatchInput,
): Promise<Batch> {
  const { rows } = await sql<{ count: number; looked: number; at: string; key: string }>`
    with looked as (
      select occurrence.schedule_id, occurrence.scheduled_for, occurrence.decided_at,
        occurrence.job_id
      from analysis_schedule_occurrences occurrence
      join analysis_schedules schedule on schedule.id = occurrence.schedule_id
      where occurrence.scheduled_for < ${before}::timestamptz
        and occurrence.scheduled_for < schedule.last_scheduled_for
        and (occurrence.schedule_id, occurrence.scheduled_for)
          > (${after?.key ?? zeroId}::uuid, ${after?.at ?? '-infinity'}::timestamptz)
      order by occurrence.schedule_id, occurrence.scheduled_for
      limit ${limit}
    ),
    old as (
      select looked.schedule_id, looked.scheduled_for
      from looked
      where looked.decided_at < ${before}::timestamptz
        and not exists (
          select
          from analysis_jobs job
          where job.id = looked.job_id
            and job.status in ('pending', 'running')
        )
    )
    ${
      dryRun
        ? sql`select (select count(*) from old)::integer as count,`
        : sql`, gone as (
            delete from analysis_schedule_occurrences occurrence
            using old
            where occurrence.schedule_id = old.schedule_id
              and occurrence.scheduled_for = old.scheduled_for
            returning 1
          )
          select (select count(*) from gone)::integer as count,`
    }
      count(*) over ()::integer as looked, schedule_id as key, scheduled_for as at
    from looked
    order by schedule_id desc, scheduled_for desc
    limit 1
  `.execute(transaction)
  const last = rows[0]
  if (!last) return { count: 0, files: [], next: undefined }
  return {
    count: last.count,
    files: [],
    next: last.looked === limit ? { at: last.at, key: last.key } : undefined,
  }
}
