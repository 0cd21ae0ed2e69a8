import { setTimeout as delay } from 'node:timers/promises'
import type pg from 'pg'

/** How late jobs were there, in milliseconds after the instant at which all were due. */
export interface Lateness {
  readonly p50: number
  readonly p99: number
  readonly all: number
}

/** Where a side keeps its jobs. */
export type JobTable =
  | 'analysis_jobs'
  | 'graphile_worker._private_jobs'
  | "pgboss.job where name = 'bench'"

/** Nobody is waited for longer. */
const patienceMs = 120_000

/** Waits until another session sees half, 99 % and all of the jobs, by the server's clock. */
export async function watchJobs(
  client: pg.Client,
  from: JobTable,
  count: number,
  dueAtMs: number,
): Promise<Lateness> {
  const seen = { p50: 0, p99: 0 }
  for (;;) {
    const { rows } = await client.query<{ jobs: number; now: number }>(
      `select count(*)::integer as jobs, extract(epoch from clock_timestamp())::float8 * 1000 as now
       from ${from}`,
    )
    const { jobs = 0, now = 0 } = rows[0] ?? {}
    const late = now - dueAtMs
    if (jobs >= count / 2) seen.p50 ||= late
    if (jobs >= count * 0.99) seen.p99 ||= late
    if (jobs >= count) return { ...seen, all: late }
    if (late > patienceMs) throw new Error(`${count - jobs} of ${count} jobs are missing: ${from}`)
    await delay(jobs === 0 ? 5 : 20)
  }
}
