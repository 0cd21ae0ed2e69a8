import { sql } from 'kysely'
import type { Queries } from '../database/index.ts'
import type { Batch, BatchInput, NamedFile } from './batch.ts'
import { zeroId } from './take-results.ts'

/**
 * Finished jobs by age, each with all jobs that it started: a child goes with its parent, and neither
 * while one of the family has not ended. Log lines, past attempts and rows of results go by their
 * foreign keys. What counts is when a job was made and when it ended: one that waited for a year and
 * ended yesterday is young.
 */
export async function takeJobs(
  transaction: Queries,
  { before, after, limit, dryRun, countedBefore }: BatchInput,
): Promise<Batch> {
  // Each member is looked up by an index: for a thousand of them a plan that reads the whole table
  // looks cheaper to the planner than it is, at each level of the family.
  await sql`
    select set_config('enable_seqscan', 'off', true), set_config('enable_hashjoin', 'off', true),
      set_config('enable_mergejoin', 'off', true)
  `.execute(transaction)
  const looked = await sql<{ id: string; at: string }>`
    select id, created_at as at
    from analysis_jobs
    where created_at < ${before}::timestamptz
      and (created_at, id)
        > (${after?.at ?? '-infinity'}::timestamptz, ${after?.key ?? zeroId}::uuid)
    order by created_at, id
    limit ${limit}
  `.execute(transaction)
  const last = looked.rows.at(-1)
  if (!last) return { count: 0, files: [], next: undefined }
  const doomed = await doomedOf(
    transaction,
    looked.rows.map(({ id }) => id),
    before,
  )
  const files = await sql<NamedFile>`
    select storage_path, data_folder_id, size_bytes
    from analysis_result_storage
    where job_id = any (${doomed}::uuid[])
      and created_at >= ${countedBefore ?? '-infinity'}::timestamptz
  `.execute(transaction)
  if (!dryRun) {
    // Guarded again: a statement of somebody else may have come between.
    await sql`
      delete from analysis_jobs
      where id = any (${doomed}::uuid[])
        and status in ('completed', 'failed', 'cancelled')
    `.execute(transaction)
  }
  return {
    count: doomed.length,
    files: files.rows,
    next: looked.rows.length === limit ? { at: last.at, key: last.id } : undefined,
  }
}

async function doomedOf(
  transaction: Queries,
  ids: readonly string[],
  before: string,
): Promise<string[]> {
  const { rows } = await sql<{ id: string }>`
    with recursive family as (
      select id as root_id, id,
        status in ('completed', 'failed', 'cancelled')
          and committing_at is null
          and coalesce(completed_at, created_at) < ${before}::timestamptz as is_old
      from analysis_jobs
      where id = any (${ids}::uuid[])
        and parent_job_id is null
      union
      select family.root_id, child.id,
        child.status in ('completed', 'failed', 'cancelled') and child.committing_at is null
      from family
      join analysis_jobs child on child.parent_job_id = family.id
    )
    select id
    from family
    where root_id in (
        select root_id
        from family
        group by root_id
        having bool_and(is_old)
      )
    order by id
  `.execute(transaction)
  return rows.map(({ id }) => id)
}
