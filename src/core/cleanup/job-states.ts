import { sql } from 'kysely'
import type { Queries } from '../database/index.ts'

/** What the database says of a job whose name stands on a file. */
export interface JobState {
  /** It has ended, and no executor has a lease on it any more. */
  readonly isOver: boolean
  /** Where its result is, if that is a file. */
  readonly storagePath: string | null
}

/** States of jobs by id; one that is not there has none. */
export async function jobStates(
  session: Queries,
  ids: readonly string[],
): Promise<ReadonlyMap<string, JobState>> {
  const { rows } = await sql<JobState & { id: string }>`
    select job.id, stored.storage_path,
      job.status in ('completed', 'failed', 'cancelled')
        and job.committing_at is null
        and not exists (select from analysis_leases where job.id = any (job_ids)) as is_over
    from analysis_jobs job
    left join analysis_result_storage stored on stored.job_id = job.id
    where job.id = any (${ids}::uuid[])
  `.execute(session)
  return new Map(rows.map((row) => [row.id, row]))
}
