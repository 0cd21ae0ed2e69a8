import pg from 'pg'
import type { QueueBench } from '../queue/queue-bench.ts'
import type { Side } from '../queue/side.ts'
import { type Lateness, watchJobs } from './watch-jobs.ts'

const jobTables = {
  'graphile-cron': 'graphile_worker._private_jobs',
  'pg-boss-cron': `pgboss.job where name = 'bench'`,
} as const

export interface CronPeer {
  readonly side: Side
  /** Of so many jobs, by an instant. */
  watch(count: number, dueAtMs: number): Promise<Lateness>
  stop(): Promise<void>
}

/** A peer that makes jobs by the clock, in a process of its own, on a new database. */
export async function startCronPeer(
  bench: QueueBench,
  program: keyof typeof jobTables,
): Promise<CronPeer> {
  const url = await bench.createDatabase()
  const side = bench.start(program, { url })
  await side.call('migrate')
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  return {
    side,
    watch: (count, dueAtMs) => watchJobs(client, jobTables[program], count, dueAtMs),
    stop: () => client.end(),
  }
}
