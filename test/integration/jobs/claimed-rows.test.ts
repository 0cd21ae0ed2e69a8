import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { claimJobs, finishJobs } from '../../../src/core/jobs/index.ts'
import { waitUntil } from '../../support/wait-until.ts'
import { type TestContext, openTestContext } from '../../support/core-context.ts'
import { addExecutor, insertAnalysis, insertJob } from '../../support/queue.ts'

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
const claim = (limit: number) => claimJobs(test.context.database.queries, executorId, limit)

describe('a claim of several jobs', () => {
  it('gives them by priority, then due time, then id, wherever their rows are', async () => {
    const ids = Array.from({ length: 20 }, () => randomUUID()).toSorted()
    const later = '2020-01-01T00:00:00.000002Z'
    // Neither in their order nor in its reverse.
    for (const id of ids.slice(10)) await add({ id, run_at: later })
    const last = await add({ priority: -1, run_at: '2019-01-01T00:00:00Z' })
    const urgent = await add({ priority: 3 })
    const soon = await add({ run_at: '2020-01-01T00:00:00.000001Z' })
    for (const id of ids.slice(0, 10)) await add({ id, run_at: later })
    const claimed = await claim(100)
    expect(claimed.map(({ id }) => id)).toEqual([urgent, soon, ...ids, last])
  })

  it('tells what is unusual about each, and the usual of the others', async () => {
    const parent = await add({ priority: 2 })
    await add({
      priority: 1,
      parameters: { of: 'its own' },
      attempt: 4,
      lost_count: 2,
      handed_back_count: 1,
      max_attempts: 9,
      triggered_by: 'a "person"',
      idempotency_key: 'once',
      scheduled_for: '2020-02-03T04:05:06.789Z',
      schedule_timezone: 'Europe/Vienna',
      parent_job_id: parent,
    })
    const [usual, unusual] = await claim(2)
    expect(usual).toEqual({
      id: parent,
      analysisId,
      versionNumber: 1,
      parameters: {},
      leaseToken: unusual?.leaseToken,
      attempt: 1,
      lostCount: 0,
      handedBackCount: 0,
      maxAttempts: null,
      priority: 2,
      triggeredBy: 'manual',
      idempotencyKey: null,
      scheduledFor: null,
      scheduleTimezone: null,
      startedAt: unusual?.startedAt,
      waitMs: expect.any(Number) as number,
      parentJobId: null,
      analysisName: unusual?.analysisName,
      projectId: unusual?.projectId,
      isActive: true,
      holdsSlot: false,
      databaseUse: null,
    })
    expect(unusual).toMatchObject({
      parameters: { of: 'its own' },
      attempt: 5,
      lostCount: 2,
      handedBackCount: 1,
      maxAttempts: 9,
      priority: 1,
      triggeredBy: 'a "person"',
      idempotencyKey: 'once',
      scheduledFor: '2020-02-03T04:05:06.789Z',
      scheduleTimezone: 'Europe/Vienna',
      parentJobId: parent,
    })
  })

  it('counts as waiting what came after the job was both due and there', async () => {
    await add({ run_at: '2020-01-01T00:00:00Z', created_at: '2999-01-01T00:00:00Z' })
    await add({ run_at: '2020-01-02T00:00:00Z', created_at: '2020-01-01T00:00:00Z' })
    const [unborn, old] = await claim(2)
    expect(unborn?.waitMs).toBeLessThan(0)
    expect(old?.waitMs).toBeGreaterThan(Date.now() - Date.parse('2020-01-03T00:00:00Z'))
  })
})

/** Whether all rows of 400 jobs are on the pages they were inserted into when the jobs have ended. */
async function stayOnTheirPages(): Promise<boolean> {
  const { pool, queries } = test.context.database
  await pool.query('truncate analysis_jobs cascade')
  executorId = await addExecutor(test.context)
  await pool.query(
    'insert into analysis_jobs (analysis_id) select $1::uuid from generate_series(1, 400)',
    [analysisId],
  )
  const pages = async () => {
    const { rows } = await pool.query<{ id: string; page: string }>(
      `select id, split_part(ctid::text, ',', 1) as page from analysis_jobs order by id`,
    )
    return JSON.stringify(rows)
  }
  const before = await pages()
  const jobs = await claim(400)
  expect(jobs).toHaveLength(400)
  await finishJobs(
    queries,
    jobs.map(({ id, leaseToken }) => ({
      lease: { jobId: id, leaseToken },
      outcome: {
        status: 'completed',
        resultText: '{"rows": 10}',
        error: null,
        logs: [],
        peakMemoryBytes: 1e7,
        startDelayMs: 1,
        durationMs: 2,
      },
    })),
  )
  return (await pages()) === before
}

it('leaves the row of each job on its page from its insert to its end', async () => {
  // The server's own analyze may look at this database, and keep old rows for as long as it does.
  await waitUntil('the rows of one try stay where they are', stayOnTheirPages)
})
