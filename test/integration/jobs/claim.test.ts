import { Kysely, PostgresDialect, sql } from 'kysely'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { DB } from '../../../src/core/database/index.ts'
import { claimJobs, enqueueJob } from '../../../src/core/jobs/index.ts'
import { type TestContext, openTestContext } from '../../support/core-context.ts'
import { addExecutor, insertAnalysis, insertJob, readJob } from '../../support/queue.ts'

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

  it('reads only its own index, however many jobs have finished', async () => {
    const { pool } = test.context.database
    await pool.query(
      `insert into analysis_jobs (analysis_id, status, completed_at, run_at)
       select $1, 'completed', now(), now() - make_interval(secs => n)
       from generate_series(1, 100000) n`,
      [analysisId],
    )
    await add()
    await pool.query('analyze analysis_jobs')
    const statement = await claimStatement()
    const { rows } = await pool.query<{ 'QUERY PLAN': string }>(
      `explain (costs off) ${statement.sql}`,
      statement.parameters as unknown[],
    )
    const plan = rows.map((row) => row['QUERY PLAN']).join('\n')
    expect(plan).toContain('Index Scan using kiln_analysis_jobs_claim')
    expect(plan).not.toMatch(/Seq Scan on analysis_jobs|->\s+Sort\b/)
  })
})

/** The claim as it is sent to the server. */
async function claimStatement() {
  const sent: { sql: string; parameters: readonly unknown[] }[] = []
  const watched = new Kysely<DB>({
    dialect: new PostgresDialect({ pool: test.context.database.pool }),
    log: ({ query }) => void sent.push(query),
  })
  await claimJobs(watched, executorId, 4)
  const [statement] = sent
  if (!statement) throw new Error('the claim sent no statement')
  return statement
}

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
