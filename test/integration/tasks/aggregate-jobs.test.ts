import { afterAll, beforeAll, expect, it } from 'vitest'
import { listDailyFigures } from '../../../src/core/jobs/index.ts'
import { aggregateJobs } from '../../../src/core/tasks/index.ts'
import { type TestContext, openTestContext } from '../../support/core-context.ts'
import { insertAnalysis } from '../../support/queue.ts'

let core: TestContext
beforeAll(async () => {
  core = await openTestContext()
})
afterAll(() => core.close())

const pool = () => core.context.database.pool
const aggregate = () => aggregateJobs(core.context)

/** Jobs that ended so on a day, each created at noon UTC and due at once. */
async function addJobs(
  analysisId: string,
  daysAgo: number,
  jobs: readonly (readonly [status: string, durationMs: number | null, waitMs: number])[],
): Promise<void> {
  for (const [status, durationMs, waitMs] of jobs) {
    await pool().query(
      `insert into analysis_jobs
         (analysis_id, status, created_at, run_at, started_at, completed_at, execution_time_ms)
       select $1, $2, at, at, at + $5 * interval '1 ms', at + interval '1 hour', $4
       from (
         select ((now() at time zone 'UTC')::date - $3::integer + interval '12 hours')
           at time zone 'UTC' as at
       ) as instant`,
      [analysisId, status, daysAgo, durationMs, waitMs],
    )
  }
}

const figures = async (filter = {}) =>
  (await listDailyFigures(core.context, { limit: 100, ...filter })).figures

it('counts each day up to yesterday, and keeps what cleanup deletes', async () => {
  expect(await aggregate()).toEqual({ from: null, to: null, rows: 0 })
  const [a, b] = [await insertAnalysis(pool()), await insertAnalysis(pool())]
  await addJobs(a, 30, [
    ['completed', 100, 10],
    ['completed', 300, 30],
    ['failed', 200, 20],
    ['cancelled', 9000, 1000],
  ])
  await addJobs(b, 1, [['completed', 50, 5]])
  await addJobs(b, 0, [['completed', 70, 5]])

  expect(await aggregate()).toMatchObject({ rows: 2 })
  const [yesterday, old] = await figures()
  expect(yesterday).toMatchObject({ analysisId: b, jobs: 1, durationP50Ms: 50, successRate: 1 })
  expect(old).toMatchObject({
    analysisId: a,
    jobs: 4,
    completed: 2,
    failed: 1,
    cancelled: 1,
    durationP50Ms: 200,
    durationP95Ms: 290,
    waitP50Ms: 25,
    successRate: 2 / 3,
  })

  // Within the last week jobs may still end; what is deleted stays counted.
  await addJobs(b, 1, [['failed', 150, 5]])
  await pool().query('delete from analysis_jobs where analysis_id = $1', [a])
  expect(await aggregate()).toMatchObject({ rows: 1 })
  const [later, kept] = await figures()
  expect(later).toMatchObject({ jobs: 2, failed: 1, durationP95Ms: 145 })
  expect(kept).toEqual(old)
  await pool().query('delete from analysis_jobs where execution_time_ms = 50')
  expect(await aggregate()).toMatchObject({ rows: 0 })
  expect(await figures({ analysisId: b })).toEqual([later])
})

it('pages through the days, latest first', async () => {
  const first = await listDailyFigures(core.context, { limit: 1 })
  const second = await listDailyFigures(core.context, {
    limit: 1,
    cursor: first.nextCursor ?? undefined,
  })
  expect([...first.figures, ...second.figures]).toEqual(await figures())
  expect(second.nextCursor).toBeNull()
})

it('stops between two days when its service stops', async () => {
  const reason = new Error('stopping')
  const signal = AbortSignal.abort(reason)
  await expect(aggregateJobs({ ...core.context, signal })).rejects.toBe(reason)
})
