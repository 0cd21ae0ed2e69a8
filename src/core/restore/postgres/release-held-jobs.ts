import type { Database } from '../../database/index.ts'
import { restoredReason } from './settle-rows.ts'

/** Some hundred at a time, so that no lock is held for long. */
const batchSize = 500

/**
 * Lets the jobs run that a restore has held; those that somebody holds himself stay. Their limits
 * apply. Returns how many there were; safe to repeat.
 */
export async function releaseHeldJobs({ pool }: Pick<Database, 'pool'>): Promise<number> {
  let released = 0
  for (;;) {
    const { rowCount } = await pool.query(
      `update analysis_jobs
       set ready = true, waiting_reason = null
       where id in (
         select id
         from analysis_jobs
         where not ready
           and status = 'pending'
           and waiting_reason = $1
         order by run_at, id
         limit ${batchSize}
         for update skip locked
       )`,
      [restoredReason],
    )
    released += rowCount ?? 0
    if ((rowCount ?? 0) === 0) break
  }
  if (released > 0) await pool.query(`select pg_notify('kiln_jobs', '')`)
  return released
}
