import { type Queries, prepare, runPrepared } from '../database/index.ts'
import { type Lease, leaseKey } from './finish-jobs.ts'
import { plainArray } from './postgres-array.ts'

const running = prepare(
  'kiln_find_running_leases',
  `
  select id as "jobId", lease_token as "leaseToken"
  from analysis_jobs
  where id = any ($1::uuid[])
    and status = 'running'
    and lease_token is not null
`,
)

/** Keys of those leases that have ended: their jobs were cancelled, or given to another executor. */
export async function findEndedLeases(
  queries: Queries,
  leases: readonly Lease[],
): Promise<readonly string[]> {
  const rows = await runPrepared<Lease>(queries, running, [
    plainArray(leases.map(({ jobId }) => jobId)),
  ])
  const held = new Set(rows.map(leaseKey))
  return leases.map(leaseKey).filter((key) => !held.has(key))
}
