/** Services of the built program that run jobs of one database, as many as a test wants. */
import path from 'node:path'
import type pg from 'pg'
import { type KilnOptions, type RunningKiln, startKiln } from './kiln.ts'
import { type TemporaryFolder, createTemporaryFolder } from './temporary-folder.ts'
import { waitUntil } from './wait-until.ts'

export interface Services {
  readonly folder: TemporaryFolder
  /** Starts one more; it runs jobs when `isReady` says so. */
  start(args?: readonly string[], env?: Readonly<Record<string, string>>): RunningKiln
  /** Ends all that still run, and deletes their data folder. */
  close(): Promise<void>
}

export async function openServices(connectionString: string): Promise<Services> {
  const folder = await createTemporaryFolder('services')
  const started: RunningKiln[] = []
  const options: KilnOptions = {
    cwd: folder.path,
    env: {
      DATABASE_URL: connectionString,
      ANALYSIS_DATA_DIR: path.join(folder.path, 'data'),
    },
  }
  return {
    folder,
    start(args = ['--no-http', '--concurrency', '3'], env = {}) {
      const service = startKiln(['serve-scheduler', ...args], {
        ...options,
        env: { ...options.env, ...env },
      })
      started.push(service)
      return service
    },
    async close() {
      for (const service of started) {
        service.kill('SIGCONT')
        service.kill('SIGKILL')
        await service.exited
      }
      await folder.remove()
    },
  }
}

/** Resolves when the service takes jobs. */
export const isReady = (service: RunningKiln): Promise<unknown> =>
  service.waitForOutput(/Job poller started/)

/** How the jobs of a database ended, and whether its books agree. */
export interface Books {
  /** Jobs by status. */
  readonly statuses: Readonly<Record<string, number>>
  /** Ended attempts by outcome. */
  readonly outcomes: Readonly<Record<string, number>>
  /** The sum of `lost_count`. */
  readonly lostCount: number
  /** Jobs whose attempts are not all accounted for, or that do not have one completed attempt. */
  readonly oddJobs: readonly unknown[]
  /** Totals of the counters that count jobs. */
  readonly counters: Readonly<Record<string, number>>
}

export async function readBooks(pool: pg.Pool): Promise<Books> {
  const pairs = async (text: string): Promise<Record<string, number>> => {
    const { rows } = await pool.query<{ name: string; value: number }>(text)
    return Object.fromEntries(rows.map(({ name, value }) => [name, Number(value)]))
  }
  const { rows: lost } = await pool.query<{ sum: number }>(
    'select coalesce(sum(lost_count), 0) as sum from analysis_jobs',
  )
  const { rows: oddJobs } = await pool.query(
    `select job.id, job.status, job.attempt, job.lost_count, array_agg(attempt.outcome) as outcomes
     from analysis_jobs job
     left join analysis_job_attempts attempt on attempt.job_id = job.id
     group by job.id
     having count(*) filter (where attempt.outcome = 'completed') <> 1
       or count(*) filter (where attempt.outcome = 'lost') <> job.lost_count
       or count(*) <> job.attempt`,
  )
  return {
    statuses: await pairs(
      'select status as name, count(*) as value from analysis_jobs group by status',
    ),
    outcomes: await pairs(
      'select outcome as name, count(*) as value from analysis_job_attempts group by outcome',
    ),
    lostCount: Number(lost[0]?.sum),
    oddJobs,
    counters: await pairs(
      `select name, sum(value) as value from analysis_counters
       where name in ('jobs_completed', 'jobs_failed', 'jobs_cancelled', 'jobs_lost')
       group by name`,
    ),
  }
}

/** Resolves when no job is pending or running any more. */
export const allJobsEnd = (pool: pg.Pool, timeoutMs: number): Promise<unknown> =>
  waitUntil(
    'all jobs have ended',
    async () => {
      const { rows } = await pool.query<{ count: number }>(
        `select count(*) from analysis_jobs where status in ('pending', 'running')`,
      )
      return Number(rows[0]?.count) === 0
    },
    timeoutMs,
  )
