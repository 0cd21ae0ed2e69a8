/** Figures of jobs against figures worked out by hand. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { failingAnalyses, jobErrors, jobStatistics } from '../../../src/core/jobs/index.ts'
import { type TestContext, openTestContext } from '../../support/core-context.ts'
import { insertAnalysis, insertJob } from '../../support/queue.ts'

const day = '2026-03-01T00:00:00Z'

let test: TestContext
let delays: string
let sales: string
let ids: Record<'timeout' | 'lastNoRow' | 'bare', string>
beforeAll(async () => {
  test = await openTestContext()
  const { pool } = test.context.database
  delays = await insertAnalysis(pool, undefined, { title: 'delays', projectId: 'flights' })
  sales = await insertAnalysis(pool, undefined, { title: 'sales', projectId: 'shop' })
  const add = (analysis: string, columns: Readonly<Record<string, unknown>>) =>
    insertJob(pool, analysis, { created_at: day, run_at: day, ...columns })
  const at = (seconds: number) => new Date(Date.parse(day) + seconds * 1000).toISOString()

  // Four completed: durations 100, 200, 300, 400 ms; waits 1, 2, 3, 4 s.
  for (const n of [1, 2, 3, 4]) {
    await add(delays, {
      status: 'completed',
      started_at: at(n),
      completed_at: at(n + 1),
      execution_time_ms: 100 * n,
    })
  }
  // Due 10 s after it was created, started 5 s after that: it waited 5 s.
  const noRow = { status: 'failed', error_code: 'script_error', error_message: 'no row' }
  await add(delays, {
    ...noRow,
    run_at: at(10),
    started_at: at(15),
    completed_at: at(16),
    execution_time_ms: 1000,
  })
  const lastNoRow = await add(delays, { ...noRow, completed_at: at(30) })
  const timeout = await add(delays, {
    status: 'failed',
    error_code: 'timeout',
    error_message: 'ran for 60 s',
    completed_at: at(40),
  })
  // Cancelled ones count neither for nor against, nor does how long they ran.
  await add(delays, {
    status: 'cancelled',
    started_at: at(6),
    completed_at: at(100),
    execution_time_ms: 94_000,
  })
  await add(delays, { status: 'running', started_at: at(7) })
  await add(delays, {})
  const bare = await add(sales, { status: 'failed', completed_at: at(50) })
  // Before the span.
  await add(delays, { ...noRow, created_at: '2026-02-28T23:59:59Z', completed_at: at(60) })
  ids = { timeout, lastNoRow, bare }
})
afterAll(() => test.close())

describe('jobStatistics', () => {
  it('counts, and works out rate, durations and waits', async () => {
    const figures = await jobStatistics(test.context.database.queries, {
      since: day,
      analysisId: delays,
    })
    expect(figures).toEqual({
      total: 10,
      pending: 1,
      waiting: 0,
      running: 1,
      completed: 4,
      failed: 3,
      cancelled: 1,
      successRate: 4 / 7,
      // Of 100, 200, 300, 400, 1000.
      durationP50Ms: 300,
      durationP95Ms: 880,
      // Of 1, 2, 3, 4, 5, 6, 7 s.
      waitP50Ms: 4000,
      waitP95Ms: 6700,
    })
  })

  it('takes the jobs of a project, or all', async () => {
    const { queries } = test.context.database
    const total = async (filter: object) =>
      (await jobStatistics(queries, { since: day, ...filter })).total
    expect(await total({ projectId: 'shop' })).toBe(1)
    expect(await total({})).toBe(11)
    expect(await total({ since: '2026-02-28T23:59:59Z' })).toBe(12)
  })

  it('has no rate and no times where nothing has ended', async () => {
    const figures = await jobStatistics(test.context.database.queries, {
      since: '2026-04-01T00:00:00Z',
    })
    expect(figures).toEqual({
      total: 0,
      pending: 0,
      waiting: 0,
      running: 0,
      completed: 0,
      failed: 0,
      cancelled: 0,
      successRate: null,
      durationP50Ms: null,
      durationP95Ms: null,
      waitP50Ms: null,
      waitP95Ms: null,
    })
  })
})

describe('jobErrors', () => {
  it('groups equal failures of an analysis, most frequent first, then the latest', async () => {
    const { queries } = test.context.database
    const common = { projectId: 'flights', analysisName: 'delays' }
    const noRow = {
      ...common,
      errorCode: 'script_error',
      errorMessage: 'no row',
      count: 2,
      lastAt: '2026-03-01T00:00:30Z',
      lastJobId: ids.lastNoRow,
    }
    const bare = {
      projectId: 'shop',
      analysisName: 'sales',
      errorCode: null,
      errorMessage: null,
      count: 1,
      lastAt: '2026-03-01T00:00:50Z',
      lastJobId: ids.bare,
    }
    const timeout = {
      ...common,
      errorCode: 'timeout',
      errorMessage: 'ran for 60 s',
      count: 1,
      lastAt: '2026-03-01T00:00:40Z',
      lastJobId: ids.timeout,
    }
    expect(await jobErrors(queries, { since: day }, 10)).toEqual([noRow, bare, timeout])
    expect(await jobErrors(queries, { since: day }, 1)).toEqual([noRow])
    expect(await jobErrors(queries, { since: day, projectId: 'shop' }, 10)).toEqual([bare])
  })
})

describe('failingAnalyses', () => {
  const recent = new Date(Date.now() - 3_600_000).toISOString()
  const failing = (filter: object) =>
    failingAnalyses(test.context.database.queries, {
      days: 7,
      threshold: 0.2,
      minRuns: 1,
      projectId: 'rates',
      ...filter,
    })
  const names = async (filter: object) => (await failing(filter)).map((analysis) => analysis.name)

  beforeAll(async () => {
    const { pool } = test.context.database
    const add = async (
      title: string,
      completed: number,
      failed: number,
      cancelled = 0,
      pad = 0,
    ) => {
      const analysis = await insertAnalysis(pool, undefined, { title, projectId: 'rates' })
      const many = (status: string, count: number) =>
        Array.from({ length: count }, (_, index) =>
          insertJob(pool, analysis, {
            status,
            created_at: recent,
            completed_at: new Date(Date.parse(recent) + index * 1000).toISOString(),
            error_message: status === 'failed' ? `failure ${index}`.padEnd(pad) : null,
          }),
        )
      await Promise.all(
        [many('completed', completed), many('failed', failed), many('cancelled', cancelled)].flat(),
      )
      return analysis
    }
    await add('good', 9, 1, 0, 8000)
    await add('edge', 4, 1)
    await add('bad', 1, 3)
    await add('stopped', 4, 0, 6)
    const old = await add('old', 0, 1)
    await pool.query(`update analysis_jobs set created_at = '2026-01-01' where analysis_id = $1`, [
      old,
    ])
  })

  it('lists those at or above the threshold, worst first, with the last error', async () => {
    expect(await failing({})).toMatchObject([
      { name: 'bad', runs: 4, failed: 3, failureRate: 0.75, lastError: 'failure 2' },
      { name: 'edge', runs: 5, failed: 1, failureRate: 0.2, lastError: 'failure 0' },
    ])
  })

  it('cuts long messages', async () => {
    const analyses = await failing({ threshold: 0.1 })
    expect(analyses.map(({ lastError }) => lastError?.length)).toEqual([9, 9, 500])
  })

  it('looks at threshold, number of runs, days and project', async () => {
    expect(await names({ threshold: 0.5 })).toEqual(['bad'])
    expect(await names({ minRuns: 5 })).toEqual(['edge'])
    expect(await names({ threshold: 0.1 })).toEqual(['bad', 'edge', 'good'])
    expect(await names({ days: 36_500 })).toEqual(['old', 'bad', 'edge'])
    expect(await names({ projectId: 'nobody' })).toEqual([])
  })
})
