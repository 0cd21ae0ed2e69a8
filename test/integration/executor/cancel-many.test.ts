/** Thousands of jobs that are cancelled at once, while an executor works on them. */
import { afterAll, beforeAll, expect, it } from 'vitest'
import { cancelJobs, findUnfinishedJobs } from '../../../src/core/jobs/index.ts'
import { Service } from '../../../src/core/scheduler/index.ts'
import { type TestContext, openTestContext } from '../../support/core-context.ts'
import { insertAnalysis, insertJob, readJob } from '../../support/queue.ts'
import { waitUntil } from '../../support/wait-until.ts'

const many = 5000

let test: TestContext
let serving: Promise<unknown>
const stopping = new AbortController()
beforeAll(async () => {
  test = await openTestContext()
  const service = new Service(
    { ...test.context, signal: stopping.signal },
    { programVersion: '0.0.0', concurrency: 2, once: false, haste: new AbortController().signal },
  )
  serving = service.run()
})
afterAll(async () => {
  stopping.abort()
  await serving
  await test.close()
})

const bySql = () =>
  test.context.database.pool.query(
    `update analysis_jobs set status = 'cancelled' where status in ('pending', 'running')`,
  )

const byCommand = async () => {
  const ids = await findUnfinishedJobs(test.context.database.queries, {})
  const outcomes = await cancelJobs(test.context, ids, { reason: 'all of them' })
  const told = outcomes.filter(({ outcome }) => outcome === 'cancelled').map(({ id }) => id)
  const { rows } = await test.context.database.pool.query<{ id: string }>(
    `select id from analysis_jobs where status = 'cancelled' and error_message = 'all of them'`,
  )
  expect(new Set(told)).toEqual(new Set(rows.map(({ id }) => id)))
  expect(told.length).toBeGreaterThan(many - 100)
}

it.each([
  ['by SQL', bySql],
  ['by command', byCommand],
])('leaves no job stuck, %s, and the executor goes on', async (_how, cancel) => {
  const { pool } = test.context.database
  await pool.query('truncate analyses cascade')
  const analysisId = await insertAnalysis(
    pool,
    'export default async (params, ctx) => { await ctx.sleep(params.ms ?? 600_000) }',
  )
  await pool.query(
    'insert into analysis_jobs (analysis_id) select $1 from generate_series(1, $2)',
    [analysisId, many],
  )
  await waitUntil('jobs run', async () => {
    const { rows } = await pool.query(`select 1 from analysis_jobs where status = 'running'`)
    return rows.length === 2
  })
  await cancel()
  const next = await insertJob(pool, analysisId, { parameters: '{"ms": 1}' })
  await waitUntil(
    'the next job has completed',
    async () => (await readJob(pool, next)).status === 'completed',
  )
  const { rows: jobs } = await pool.query(
    'select status, count(*)::integer as count from analysis_jobs group by status order by status',
  )
  expect(jobs).toEqual([
    { status: 'cancelled', count: many },
    { status: 'completed', count: 1 },
  ])
  const { rows: left } = await pool.query(
    `select 'entry' as what from analysis_job_queue
     union all
     select 'attempt' from analysis_job_attempts where outcome is null`,
  )
  expect(left).toEqual([])
})
