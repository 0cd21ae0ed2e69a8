import { sql } from 'kysely'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { claimJobs, enqueueJob, mendJobQueue } from '../../../src/core/jobs/index.ts'
import { type TestContext, openTestContext } from '../../support/core-context.ts'
import {
  addLastingExecutor,
  addExecutor,
  duringNextClaim,
  insertAnalysis,
  insertJob,
  readJob,
} from '../../support/queue.ts'

let test: TestContext
let analysisId: string
let executorId: string
beforeAll(async () => {
  test = await openTestContext()
  analysisId = await insertAnalysis(test.context.database.pool)
})
afterAll(() => test.close())
beforeEach(async () => {
  await test.context.database.pool.query('truncate analysis_jobs cascade')
  executorId = await addExecutor(test.context)
})

const add = (columns: Readonly<Record<string, unknown>> = {}) =>
  insertJob(test.context.database.pool, analysisId, columns)
const claim = (limit: number, executor = executorId) =>
  claimJobs(test.context.database.queries, executor, limit)
const claimIds = async (limit: number) => (await claim(limit)).map((job) => job.id)

describe('claimJobs', () => {
  it('takes jobs by priority, then due time, then id', async () => {
    const early = '2020-01-01T00:00:00Z'
    const late = '2020-01-02T00:00:00Z'
    const first = '00000000-0000-4000-8000-000000000001'
    const second = '00000000-0000-4000-8000-000000000002'
    await add({ id: second, run_at: late })
    await add({ id: first, run_at: late })
    const soon = await add({ run_at: early })
    const urgent = await add({ run_at: late, priority: 5 })
    const idle = await add({ run_at: early, priority: -1 })
    expect(await claimIds(1)).toEqual([urgent])
    expect(await claimIds(1)).toEqual([soon])
    expect(await claimIds(1)).toEqual([first])
    expect((await claimIds(10)).toSorted()).toEqual([second, idle].toSorted())
  })

  it('leaves jobs that are not ready, not due or not pending', async () => {
    await add({ ready: false, waiting_reason: 'a limit' })
    await add({ run_at: '2999-01-01T00:00:00Z' })
    for (const status of ['running', 'completed', 'failed', 'cancelled']) await add({ status })
    expect(await claim(10)).toEqual([])
  })

  it.each([
    ['is stale', { beatAt: sql<string>`now() - interval '9 seconds'` }],
    ['is draining', { isDraining: true }],
    ['was declared dead', { stoppedAt: sql<string>`now()` }],
  ])('gives nothing to an executor that %s', async (_name, change) => {
    await add()
    await test.context.database.queries
      .updateTable('analysisExecutors')
      .set(change)
      .where('id', '=', executorId)
      .execute()
    expect(await claim(10)).toEqual([])
  })

  it('gives nothing to an executor that never registered', async () => {
    await add()
    expect(await claim(10, '00000000-0000-4000-8000-000000000009')).toEqual([])
  })

  it('marks what it takes: attempt, lease, start and the version of now', async () => {
    const id = await add()
    const [job] = await claim(1)
    const row = await readJob(test.context.database.pool, id)
    expect(row).toMatchObject({
      status: 'running',
      attempt: 1,
      executor_id: executorId,
      lease_token: job?.leaseToken,
      version_number: 1,
    })
    expect(row.started_at).toBe(job?.startedAt)
  })

  it('never gives one job to two claimers', async () => {
    const jobs = await Promise.all(Array.from({ length: 60 }, () => add()))
    const executors = await Promise.all(Array.from({ length: 4 }, () => addExecutor(test.context)))
    const claimed = await Promise.all(
      executors.map(async (executor) => {
        const taken: string[] = []
        for (;;) {
          const batch = await claim(3, executor)
          if (batch.length === 0) return taken
          taken.push(...batch.map((job) => job.id))
        }
      }),
    )
    expect(claimed.flat().toSorted()).toEqual(jobs.toSorted())
  })

  it('walks the queue from its front, however many jobs wait and have finished', async () => {
    const { pool, queries } = test.context.database
    // 100,000 that have finished, and one that waits for each four of them.
    await pool.query(
      `insert into analysis_jobs (analysis_id, status, completed_at, run_at)
       select $1, case when n % 5 = 0 then 'pending' else 'completed' end,
         case when n % 5 > 0 then now() end, now() - make_interval(secs => n)
       from generate_series(1, 125000) n`,
      [analysisId],
    )
    // Plans that were made before, and statistics of an empty table, make no difference.
    await queries.transaction().execute(async (transaction) => {
      const executor = await addLastingExecutor(test.context)
      for (let claims = 1; claims <= 8; claims += 1) {
        expect(await claimJobs(transaction, executor, 4)).toHaveLength(4)
      }
      const { rows } = await sql<{ scanned: number; fetched: number }>`
        select sum(seq_tup_read)::integer as scanned, sum(idx_tup_fetch)::integer as fetched
        from pg_stat_xact_user_tables
        where relname in ('analysis_jobs', 'analysis_job_queue')
      `.execute(transaction)
      expect(rows[0]?.scanned).toBe(0)
      expect(rows[0]?.fetched).toBeLessThan(200)
    })
  })

  it('steps over a job that somebody has locked, and waits for nobody', async () => {
    const [first, second] = [await add({ priority: 1 }), await add()]
    const { pool } = test.context.database
    const client = await pool.connect()
    try {
      await client.query('begin')
      await client.query('update analysis_jobs set priority = 9 where id = $1', [first])
      expect(await claimIds(10)).toEqual([second])
      await client.query('rollback')
    } finally {
      client.release()
    }
    expect(await claimIds(10)).toEqual([first])
    expect(await entries()).toEqual([])
  })
})

const entries = async () =>
  (
    await test.context.database.pool.query<{ job_id: string }>(
      'select job_id from analysis_job_queue order by priority desc, run_at, job_id',
    )
  ).rows.map((row) => row.job_id)

describe('the queue of claims', () => {
  const change = (text: string, id?: string) =>
    test.context.database.pool.query(text, id === undefined ? [] : [id])

  it('has an entry for each job that may be claimed, whoever changes it', async () => {
    const id = await add()
    expect(await entries()).toEqual([id])
    await change('update analysis_jobs set ready = false where id = $1', id)
    expect(await entries()).toEqual([])
    await change('update analysis_jobs set ready = true where id = $1', id)
    await change('update analysis_jobs set priority = 3 where id = $1', id)
    await change(`update analysis_jobs set run_at = now() - interval '1 day' where id = $1`, id)
    await change(`update analysis_jobs set triggered_by = 'x' where id = $1`, id)
    expect(await entries()).toEqual([id])
    expect(await claimIds(10)).toEqual([id])
    expect(await entries()).toEqual([])
    await change(`update analysis_jobs set status = 'pending' where id = $1`, id)
    expect(await entries()).toEqual([id])
    await change(`update analysis_jobs set status = 'cancelled' where id = $1`, id)
    expect(await entries()).toEqual([])
    await change('delete from analysis_jobs where id = $1', await add())
    expect(await entries()).toEqual([])
    await add()
    await change('truncate analysis_jobs cascade')
    expect(await entries()).toEqual([])
  })

  it('follows a priority and a time that were changed after the insert', async () => {
    const [first, second, third] = [await add(), await add(), await add()]
    await change('update analysis_jobs set priority = 1 where id = $1', third)
    await change(`update analysis_jobs set run_at = '2020-01-01' where id = $1`, second)
    await change(`update analysis_jobs set run_at = 'infinity' where id = $1`, first)
    expect(await claimIds(10)).toEqual([third, second])
  })

  it('finds jobs that were loaded without triggers, and drops entries without a job', async () => {
    const { pool, queries } = test.context.database
    const client = await pool.connect()
    const ids = [await add(), await add()]
    try {
      await client.query('begin; set local session_replication_role = replica')
      await client.query('update analysis_jobs set ready = false where id = $1', [ids[0]])
      await client.query(
        `insert into analysis_jobs (id, analysis_id, priority)
         values ('00000000-0000-4000-8000-000000000003', $1, 2)`,
        [analysisId],
      )
      await client.query('commit')
    } finally {
      client.release()
    }
    expect(await mendJobQueue(queries, 0, 1000)).toEqual({ found: 1, dropped: 1, nextBlock: 0 })
    expect(await mendJobQueue(queries, 0, 1000)).toEqual({ found: 0, dropped: 0, nextBlock: 0 })
    expect(await claimIds(10)).toEqual(['00000000-0000-4000-8000-000000000003', ids[1]])
  })
})

const duringClaim = (work: () => Promise<unknown>): Promise<string[]> =>
  duringNextClaim(test.context.database.pool, () => claimIds(10), work)

describe('a claim that is under way', () => {
  it.each([
    ['becomes ready', 'update analysis_jobs set ready = true where id = $1'],
    ['changes its place', 'update analysis_jobs set priority = 3, ready = true where id = $1'],
  ])('does not lose a job that %s meanwhile: the next one has it', async (_name, change) => {
    const id = await add({ ready: change.includes('priority') })
    const taken = await duringClaim(() => test.context.database.pool.query(change, [id]))
    expect([...taken, ...(await claimIds(10))]).toEqual([id])
    expect(await entries()).toEqual([])
  })

  it('does not lose a job that is inserted meanwhile', async () => {
    let id = ''
    const taken = await duringClaim(async () => (id = await add()))
    expect([...taken, ...(await claimIds(10))]).toEqual([id])
    expect(await entries()).toEqual([])
  })
})

describe('enqueueJob', () => {
  it('makes one job for one idempotency key, also when two ask at once', async () => {
    const input = {
      analysisId,
      versionNumber: null,
      parameters: {},
      triggeredBy: 'test',
      idempotencyKey: 'order-1',
    }
    const { queries } = test.context.database
    const made = await Promise.all(Array.from({ length: 5 }, () => enqueueJob(queries, input)))
    expect(new Set(made.map((job) => job.id)).size).toBe(1)
    expect(made.filter((job) => job.isNew)).toHaveLength(1)
    const other = await enqueueJob(queries, { ...input, idempotencyKey: 'order-2' })
    expect(other.isNew).toBe(true)
  })
})
