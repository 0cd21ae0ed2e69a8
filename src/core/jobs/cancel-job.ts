import { sql } from 'kysely'
import type { Queries } from '../database/index.ts'

/**
 * Cancels a job that has not ended, with its unfinished children. A trigger fills in the rest, and
 * the executor stops the script within a second. False when the job had ended already.
 */
export async function cancelJob(queries: Queries, jobId: string, reason: string): Promise<boolean> {
  return (await cancelFamilies(queries, [jobId], reason)).has(jobId)
}

/** Jobs and all their descendants, as the first table of a statement. */
const family = (jobIds: readonly string[]) => sql`
  with recursive family as (
    select id
    from analysis_jobs
    where id = any (${jobIds}::uuid[])
    -- Not all: somebody may have made a circle of parents by SQL.
    union
    select child.id
    from analysis_jobs child
    join family on child.parent_job_id = family.id
  )`

/**
 * Locks jobs and all their descendants, in the one order in which everybody does: two cancels, or a
 * cancel and a firing that makes way, then never wait for each other. Whoever locks some of a family
 * before he cancels it needs this first.
 */
export async function lockFamilies(queries: Queries, jobIds: readonly string[]): Promise<void> {
  await sql`
    ${family(jobIds)}
    select id
    from analysis_jobs
    where id in (select id from family)
    order by id
    for no key update
  `.execute(queries)
}

/**
 * Cancels many, as `cancelJob` does, in one statement. Returns the ids of all that it cancelled, children
 * included.
 */
export async function cancelFamilies(
  queries: Queries,
  jobIds: readonly string[],
  reason: string,
): Promise<ReadonlySet<string>> {
  const { rows } = await sql<{ id: string }>`
    ${family(jobIds)},
    -- In the order of lockFamilies.
    locked as (
      select id
      from analysis_jobs
      where id in (select id from family)
        and status in ('pending', 'running')
      order by id
      for no key update
    )
    update analysis_jobs job
    set status = 'cancelled', error_message = ${reason}
    from locked
    where job.id = locked.id
    returning job.id
  `.execute(queries)
  return new Set(rows.map(({ id }) => id))
}
