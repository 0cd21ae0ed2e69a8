import { sql } from 'kysely'
import type { Queries } from '../database/index.ts'

/**
 * Enters running jobs that no lease names, as when somebody deleted leases by SQL: only what has a
 * lease is ever found to be lost. Reads the whole table of jobs, so it is for the start of a service.
 * Safe to repeat.
 */
export async function leaseRunningJobs(queries: Queries): Promise<void> {
  await sql`select kiln_lease_running_jobs()`.execute(queries)
}
