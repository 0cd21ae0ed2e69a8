import type { Queries } from '../database/index.ts'
import type { ClaimedJob } from '../jobs/index.ts'
import type { JobEnd } from './job-end.ts'

/** What became of a job whose lease is gone: its row tells whether somebody cancelled it. */
export async function readJobEnd(
  queries: Queries,
  job: Pick<ClaimedJob, 'id' | 'leaseToken'>,
): Promise<JobEnd> {
  const row = await queries
    .selectFrom('analysisJobs')
    .select(['status', 'leaseToken'])
    .where('id', '=', job.id)
    .executeTakeFirst()
  if (row?.status === 'cancelled') return { status: 'cancelled', jobId: job.id }
  const isKnownEnded = row?.status !== 'running' || row.leaseToken !== job.leaseToken
  return { status: 'lost', jobId: job.id, isKnownEnded }
}
