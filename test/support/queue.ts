/** Rows of the queue for tests, made as operators make them: by SQL. */
import { randomUUID } from 'node:crypto'
import { hostname } from 'node:os'
import type { Context } from '../../src/core/context.ts'
import {
  type ClaimedJob,
  type HeldLeases,
  type JobLogLine,
  type JobOutcome,
  type Lease,
  claimJobs,
  finishJobs,
  registerExecutor,
} from '../../src/core/jobs/index.ts'
import { currentProcessIdentity } from '../../src/core/os/index.ts'
import { waitUntil } from './wait-until.ts'

type Pool = Context['database']['pool']

const trivialScript = 'export default () => 1'

export interface AnalysisOptions {
  readonly title?: string
  readonly projectId?: string
  /**
   * Most jobs at a time, as if its script had been read; none unless told. `unread`: as an insert by
   * SQL leaves it, one at a time until the first job has read the script.
   */
  readonly maxConcurrent?: number | 'unread'
}

/** An analysis inserted by SQL; triggers give it name and version. Returns its id. */
export async function insertAnalysis(
  pool: Pool,
  script: string = trivialScript,
  { title = 'test', projectId = 'default', maxConcurrent }: AnalysisOptions = {},
): Promise<string> {
  const { rows } = await pool.query<{ id: string }>(
    'insert into analyses (title, script_content, project_id) values ($1, $2, $3) returning id',
    [title, script, projectId],
  )
  const id = rows[0]?.id ?? ''
  if (typeof maxConcurrent === 'number') await declareLimit(pool, id, maxConcurrent)
  if (maxConcurrent === undefined) {
    await pool.query('update analyses set max_concurrent = null where id = $1', [id])
  }
  return id
}

/** Stores a definition with a limit, or without, as an inspection of the script does. */
export async function declareLimit(
  pool: Pool,
  analysisId: string,
  maxConcurrent: number | null,
): Promise<void> {
  await pool.query(
    `update analysis_versions
     set definition = jsonb_strip_nulls(jsonb_build_object('maxConcurrent', $2::integer))
     where analysis_id = $1`,
    [analysisId, maxConcurrent],
  )
}

/** A pending job with any other columns (snake_case). Returns its id. */
export async function insertJob(
  pool: Pool,
  analysisId: string,
  columns: Readonly<Record<string, unknown>> = {},
): Promise<string> {
  const all = { analysis_id: analysisId, ...columns }
  const names = Object.keys(all)
  const { rows } = await pool.query<{ id: string }>(
    `insert into analysis_jobs (${names.join(', ')})
     values (${names.map((_, index) => `$${index + 1}`).join(', ')})
     returning id`,
    Object.values(all),
  )
  return rows[0]?.id ?? ''
}

/** A row as SQL shows it. */
export interface JobColumns {
  readonly id: string
  readonly status: string
  readonly result: unknown
  readonly error_code: string | null
  readonly error_message: string | null
  readonly logs: string[] | null
  readonly attempt: number
  readonly lost_count: number
  readonly handed_back_count: number
  readonly executor_id: string | null
  readonly lease_token: string | null
  readonly version_number: number | null
  readonly started_at: string | null
  readonly completed_at: string | null
  readonly execution_time_ms: number | null
}

export async function readJob(pool: Pool, id: string): Promise<JobColumns> {
  const { rows } = await pool.query<JobColumns>('select * from analysis_jobs where id = $1', [id])
  if (!rows[0]) throw new Error(`there is no job ${id}`)
  return rows[0]
}

/** Outcomes of the attempts that ended, first to last. */
export async function readAttempts(pool: Pool, jobId: string): Promise<string[]> {
  const { rows } = await pool.query<{ outcome: string }>(
    'select outcome from analysis_job_attempts where job_id = $1 order by number',
    [jobId],
  )
  return rows.map((row) => row.outcome)
}

/** Lines in the log of a job, whether or not it runs. */
export async function insertLogLines(
  pool: Pool,
  jobId: string,
  lines: readonly JobLogLine[],
): Promise<void> {
  await pool.query(
    `insert into analysis_job_logs (job_id, attempt, line_number, level, message, logged_at)
     select $1, (line ->> 'attempt')::integer, (line ->> 'lineNumber')::integer, line ->> 'level',
       line ->> 'message', (line ->> 'loggedAt')::timestamptz
     from jsonb_array_elements($2::jsonb) as line`,
    [jobId, JSON.stringify(lines)],
  )
}

/** Registers an executor: of this very process unless another host or pid is given. */
export async function addExecutor(
  { database }: Pick<Context, 'database'>,
  identity: { readonly host?: string; readonly pid?: number } = {},
): Promise<string> {
  const id = randomUUID()
  await registerExecutor(database.queries, {
    id,
    label: `${identity.host ?? hostname()}:test`,
    kind: 'service',
    identity: { ...currentProcessIdentity(), ...identity },
    dataFolderId: randomUUID(),
    concurrency: 1,
    programVersion: '0.0.0',
  })
  return id
}

/** One that no look takes for dead, however long it holds a job: its heartbeat lies ahead. */
export async function addLastingExecutor(context: Pick<Context, 'database'>): Promise<string> {
  const id = await addExecutor(context)
  await context.database.pool.query(
    `update analysis_executors set beat_at = '9999-01-01' where id = $1`,
    [id],
  )
  return id
}

/** A new job of an analysis that the executor has claimed; other due jobs may be claimed with it. */
export async function addClaimed(
  { database }: Pick<Context, 'database'>,
  analysisId: string,
  executorId: string,
  columns: Readonly<Record<string, unknown>> = {},
): Promise<ClaimedJob> {
  const id = await insertJob(database.pool, analysisId, columns)
  const jobs = await claimJobs(database.queries, executorId, 10)
  const job = jobs.find((one) => one.id === id)
  if (!job) throw new Error('it was not claimed')
  return job
}

/** Writes the outcome of one job; false when the lease no longer held. */
export async function finishJob(
  queries: Context['database']['queries'],
  lease: Lease,
  outcome: Omit<JobOutcome, 'startDelayMs' | 'durationMs'>,
): Promise<boolean> {
  const timed = { ...outcome, startDelayMs: 0, durationMs: 1 }
  return (await finishJobs(queries, [{ lease, outcome: timed }])).has(lease.jobId)
}

/** What a heartbeat tells of these jobs. */
export function holding(
  ...jobs: readonly { readonly id: string; readonly leaseToken: string }[]
): HeldLeases {
  return {
    leases: jobs.map(({ id, leaseToken }) => ({ jobId: id, leaseToken })),
    endedTokens: [],
    claimsSettledBelow: Number.MAX_SAFE_INTEGER,
  }
}

/**
 * Ids where the queue that claims walk differs from the jobs that they may take: without an entry,
 * with more than one, or an entry without a job.
 */
export async function queueDifferences({ database }: Pick<Context, 'database'>): Promise<string[]> {
  const { rows } = await database.pool.query<{ id: string }>(
    `select coalesce(job.id, queue.job_id) as id
     from (select * from analysis_jobs where ready and status = 'pending') job
     full join analysis_job_queue queue
       on queue.job_id = job.id
       and queue.priority = job.priority
       and queue.run_at = job.run_at
       and coalesce(queue.database_home, '') = coalesce(job.database_home, '')
     group by 1
     having count(*) > 1 or count(job.id) = 0 or count(queue.job_id) = 0`,
  )
  return rows.map(({ id }) => id)
}

/**
 * Begins `claiming`, and runs `work` while its first claim stands between the start of its statement
 * and its look at the queue; later claims do not wait.
 */
export async function duringNextClaim<T>(
  pool: Pool,
  claiming: () => Promise<T>,
  work: () => Promise<unknown>,
): Promise<T> {
  const name = 'kiln_take_due_jobs'
  await pool.query(
    `alter function ${name} rename to ${name}_at_once;
     create function ${name}(most integer, home text)
     returns table (job_id uuid, place tid, entry tid) language plpgsql as $$
     begin
       perform pg_advisory_xact_lock_shared(4711);
       return query select * from ${name}_at_once(most, home);
     end
     $$`,
  )
  const holder = await pool.connect()
  try {
    await holder.query('select pg_advisory_lock(4711)')
    const claimed = claiming()
    await waitUntil('the claim waits', async () => {
      const { rows } = await holder.query(
        `select from pg_locks
         where locktype = 'advisory' and objid = 4711 and not granted
           and database = (select oid from pg_database where datname = current_database())`,
      )
      return rows.length > 0
    })
    await work()
    await holder.query('select pg_advisory_unlock(4711)')
    return await claimed
  } finally {
    holder.release()
    await pool.query(`drop function ${name}; alter function ${name}_at_once rename to ${name}`)
  }
}
