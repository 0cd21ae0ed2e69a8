import { sql } from 'kysely'
import type { Queries } from '../database/index.ts'
import type { JobOutcome, Lease } from './finish-jobs.ts'

/**
 * Adds what the lease holder knows to a job that was cancelled while it ran: log lines and memory.
 * Once: the lease token is cleared by it.
 */
export async function completeCancelledJob(
  queries: Queries,
  lease: Lease,
  known: Pick<JobOutcome, 'logs' | 'peakMemoryBytes'>,
): Promise<void> {
  await sql`
    update analysis_jobs
    set logs = ${known.logs as string[]},
      peak_memory_bytes = ${known.peakMemoryBytes},
      lease_token = null
    where id = ${lease.jobId}
      and lease_token = ${lease.leaseToken}
      and status = 'cancelled'
  `.execute(queries)
}
