import { sql } from 'kysely'
import type { Queries } from '../database/index.ts'

/**
 * Cancels a job that has not ended, with its unfinished children. A trigger fills in the rest, and
 * the executor stops the script within a second. False when the job had ended already.
 */
export async function cancelJob(queries: Queries, jobId: string, reason: string): Promise<boolean> {
  const { rows } = await sql<{ id: string }>`
    with recursive family as (
      select id
      from analysis_jobs
      where id = ${jobId}
      union all
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
  return rows.some((row) => row.id === jobId)
}
