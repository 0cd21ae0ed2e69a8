import { sql } from 'kysely'
import type { Queries } from '../database/index.ts'

/**
 * Cancels a job that has not ended, with its unfinished children. A trigger fills in the rest, and
 * the executor stops the script within a second. False when the job had ended already.
 */
export async function cancelJob(queries: Queries, jobId: string, reason: string): Promise<boolean> {
  return (await cancelFamilies(queries, [jobId], reason)).has(jobId)
}

/** The same for many in one statement; the ids of all that it cancelled, children included. */
export async function cancelFamilies(
  queries: Queries,
  jobIds: readonly string[],
  reason: string,
): Promise<ReadonlySet<string>> {
  const { rows } = await sql<{ id: string }>`
    with recursive family as (
      select id
      from analysis_jobs
      where id = any (${jobIds}::uuid[])
      -- Not all: somebody may have made a circle of parents by SQL.
      union
      select child.id
      from analysis_jobs child
      join family on child.parent_job_id = family.id
    )
    update analysis_jobs job
    set status = 'cancelled', error_message = ${reason}
    from family
    where job.id = family.id
      and job.status in ('pending', 'running')
    returning job.id
  `.execute(queries)
  return new Set(rows.map(({ id }) => id))
}
