import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { claimJobs, getJob, jobStatistics, listJobs } from '../../../src/core/jobs/index.ts'
import { type TestContext, openTestContext } from '../../support/core-context.ts'
import { addExecutor, insertAnalysis, insertJob } from '../../support/queue.ts'

let test: TestContext
beforeAll(async () => {
  test = await openTestContext()
})
afterAll(() => test.close())
beforeEach(() => pool().query('truncate analyses, analysis_executors cascade'))

const pool = () => test.context.database.pool
const reasonOf = async (id: string) => (await getJob(test.context, id)).waitingReason

describe('the reason why a job waits', () => {
  it.each([
    ['its time', { run_at: '2999-01-01T00:00:00Z' }, 'due at 2999-01-01T00:00:00Z'],
    [
      'another attempt',
      { run_at: '2999-01-01T00:00:00Z', waiting_reason: 'retry after timeout' },
      'retry after timeout, due at 2999-01-01T00:00:00Z',
    ],
    ['what somebody wrote', { ready: false, waiting_reason: 'the dump' }, 'the dump'],
    ['a service', {}, 'no service runs jobs: start one with kiln serve-scheduler'],
  ])('is %s', async (_name, columns, reason) => {
    const id = await insertJob(pool(), await insertAnalysis(pool()), columns)
    expect(await reasonOf(id)).toBe(reason)
  })

  it('is that nobody runs who has the database of its project', async () => {
    await addExecutor(test.context)
    const id = await insertJob(pool(), await insertAnalysis(pool()), { database_home: 'far away' })
    expect(await reasonOf(id)).toBe(
      'the database of the project "default" is in the data folder far away, and no executor of it runs',
    )
  })

  it('is told of a running job too, when its executor died in the middle of a commit', async () => {
    const executor_id = await addExecutor(test.context)
    const id = await insertJob(pool(), await insertAnalysis(pool()), {
      status: 'running',
      executor_id,
      lease_token: randomUUID(),
    })
    await pool().query(`update projects set home_folder = 'far away'`)
    await pool().query(`update analysis_jobs set committing_at = now()`)
    expect(await reasonOf(id)).toBe(null)
    await pool().query(`update analysis_executors set stopped_at = now()`)
    expect(await reasonOf(id)).toBe(
      'its executor ended while the database of the project "default" committed: an executor of the data folder far away finds out whether it has completed',
    )
  })

  it('is a disabled analysis, draining executors, a limit, or a free place', async () => {
    const free = await insertAnalysis(pool(), undefined, { title: 'free' })
    const limited = await insertAnalysis(pool(), undefined, { title: 'twice', maxConcurrent: 2 })
    const jobs = [await insertJob(pool(), free), await insertJob(pool(), limited)]
    const executorId = await addExecutor(test.context)
    const reasons = async () =>
      (await listJobs(test.context, { limit: 10 })).jobs
        .map((job) => job.waitingReason ?? '')
        .toSorted()
    expect(await reasons()).toEqual([
      'a free place on an executor',
      'the analysis "twice" runs at most 2 jobs at a time',
    ])
    expect(
      await jobStatistics(test.context.database.queries, { since: '2000-01-01T00:00:00Z' }),
    ).toMatchObject({ pending: 2, waiting: 1 })
    await pool().query('update analysis_executors set is_draining = true')
    expect(await reasons()).toEqual(['every executor is draining', 'every executor is draining'])
    await pool().query('update analysis_executors set is_draining = false')
    await pool().query('update analyses set is_active = false where id = $1', [free])
    expect(await reasonOf(jobs[0] ?? '')).toBe(
      'the analysis "free" is disabled: the job fails when its turn comes',
    )
    await claimJobs(test.context.database.queries, executorId, 5)
    expect(await reasonOf(jobs[0] ?? '')).toBe(null)
  })
})
