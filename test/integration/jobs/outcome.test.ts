import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import {
  type ClaimedJob,
  cancelJob,
  claimJobs,
  completeCancelledJob,
} from '../../../src/core/jobs/index.ts'
import { type TestContext, openTestContext } from '../../support/core-context.ts'
import {
  addExecutor,
  finishJob,
  insertAnalysis,
  insertJob,
  readAttempts,
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
  await test.context.database.pool.query('truncate analysis_jobs, analysis_counters cascade')
  executorId = await addExecutor(test.context)
})

async function claimed(): Promise<ClaimedJob> {
  await insertJob(test.context.database.pool, analysisId)
  const [job] = await claimJobs(test.context.database.queries, executorId, 1)
  if (!job) throw new Error('there is nothing to claim')
  return job
}
const leaseOf = (job: ClaimedJob) => ({ jobId: job.id, leaseToken: job.leaseToken })
const row = (id: string) => readJob(test.context.database.pool, id)

const success = {
  status: 'completed' as const,
  resultText: '{"rows":3}',
  error: null,
  logs: ['a line'],
  peakMemoryBytes: 1000,
}
const failure = {
  ...success,
  status: 'failed' as const,
  resultText: null,
  error: { code: 'script_error', message: 'no data', stack: null },
}

async function counters(): Promise<Record<string, number>> {
  const { rows } = await test.context.database.pool.query<{ name: string; value: number }>(
    'select name, sum(value) as value from analysis_counters group by name',
  )
  return Object.fromEntries(rows.map(({ name, value }) => [name, value]))
}

describe('finishJob', () => {
  it('writes result, log summary, memory, time and the attempt', async () => {
    const job = await claimed()
    expect(await finishJob(test.context.database.queries, leaseOf(job), success)).toBe(true)
    const finished = await row(job.id)
    expect(finished).toMatchObject({
      status: 'completed',
      result: { rows: 3 },
      logs: ['a line'],
      lease_token: null,
      executor_id: executorId,
    })
    expect(finished.execution_time_ms).toBeGreaterThanOrEqual(0)
    expect(await readAttempts(test.context.database.pool, job.id)).toEqual(['completed'])
  })

  it('changes nothing under a lease that is not the present one', async () => {
    const job = await claimed()
    const before = await row(job.id)
    const stale = { jobId: job.id, leaseToken: '00000000-0000-4000-8000-000000000000' }
    expect(await finishJob(test.context.database.queries, stale, success)).toBe(false)
    expect(await row(job.id)).toEqual(before)
    expect(await readAttempts(test.context.database.pool, job.id)).toEqual([])
  })

  it('writes once when it is repeated', async () => {
    const job = await claimed()
    const { queries } = test.context.database
    const written = await Promise.all([
      finishJob(queries, leaseOf(job), success),
      finishJob(queries, leaseOf(job), failure),
    ])
    expect(written.filter(Boolean)).toHaveLength(1)
    expect(await readAttempts(test.context.database.pool, job.id)).toHaveLength(1)
  })
})

describe('the first final state', () => {
  it('stands when cancel and finish meet, 1,000 times', async () => {
    const { queries, pool } = test.context.database
    const seen = { completed: 0, cancelled: 0 }
    const meet = async (job: ClaimedJob, index: number): Promise<'completed' | 'cancelled'> => {
      const cancel = () => cancelJob(queries, job.id, 'too late')
      const finish = () => finishJob(queries, leaseOf(job), success)
      const [didCancel, didFinish] =
        index % 2 === 0
          ? await Promise.all([cancel(), finish()])
          : await Promise.all([finish(), cancel()]).then(([finished, done]) => [done, finished])
      expect(didCancel).toBe(!didFinish)
      return didFinish ? 'completed' : 'cancelled'
    }
    for (let batch = 0; batch < 20; batch += 1) {
      await pool.query(
        'insert into analysis_jobs (analysis_id) select $1 from generate_series(1, 50)',
        [analysisId],
      )
      const jobs = await claimJobs(queries, await addExecutor(test.context), 50)
      expect(jobs).toHaveLength(50)
      const rows = () => Promise.all(jobs.map(({ id }) => row(id)))
      // Two at a time, on four connections.
      const told: string[] = []
      for (let index = 0; index < jobs.length; index += 2) {
        told.push(
          ...(await Promise.all(
            jobs.slice(index, index + 2).map((job, place) => meet(job, index / 2 + place)),
          )),
        )
      }
      const first = await rows()
      expect(first.map(({ status }) => status)).toEqual(told)
      for (const status of ['completed', 'cancelled'] as const) {
        seen[status] += told.filter((one) => one === status).length
      }

      const again = await Promise.all(
        jobs.flatMap((job) => [
          finishJob(queries, leaseOf(job), failure),
          cancelJob(queries, job.id, 'again'),
        ]),
      )
      expect(again).not.toContain(true)
      expect(await rows()).toEqual(first)
    }
    // Each has come first at times, or they have not met.
    expect(Math.min(seen.completed, seen.cancelled)).toBeGreaterThan(0)
    expect(await counters()).toEqual({
      jobs_completed: seen.completed,
      jobs_cancelled: seen.cancelled,
    })
  })

  it.each(['completed', 'failed', 'cancelled'])('refuses changes of a %s job', async (status) => {
    const { pool } = test.context.database
    const id = await insertJob(pool, analysisId, { status, result: '1', completed_at: 'now' })
    for (const change of [
      `status = 'pending'`,
      `status = 'cancelled'`,
      `result = '2'`,
      `error_message = 'other'`,
      `error_code = 'other'`,
      `completed_at = '2020-01-01'`,
    ]) {
      if (change === `status = '${status}'`) continue
      await expect(
        pool.query(`update analysis_jobs set ${change} where id = $1`, [id]),
      ).rejects.toThrow(`job ${id} is ${status} and stays so`)
    }
  })

  it('of a cancelled job still takes the log of its executor, once', async () => {
    const job = await claimed()
    const { queries, pool } = test.context.database
    await cancelJob(queries, job.id, 'not needed')
    await completeCancelledJob(queries, leaseOf(job), { logs: ['last'], peakMemoryBytes: 5 })
    await completeCancelledJob(queries, leaseOf(job), { logs: ['later'], peakMemoryBytes: 6 })
    expect(await row(job.id)).toMatchObject({
      status: 'cancelled',
      error_message: 'not needed',
      logs: ['last'],
      peak_memory_bytes: 5,
      lease_token: null,
    })
    expect(await readAttempts(pool, job.id)).toEqual(['cancelled'])
  })
})

describe('cancelJob', () => {
  it('cancels unfinished children with their parent and leaves finished ones', async () => {
    const { pool, queries } = test.context.database
    const parent = await insertJob(pool, analysisId)
    const child = await insertJob(pool, analysisId, { parent_job_id: parent })
    const grandchild = await insertJob(pool, analysisId, { parent_job_id: child })
    const done = await insertJob(pool, analysisId, { parent_job_id: parent, status: 'completed' })
    expect(await cancelJob(queries, parent, 'not needed')).toBe(true)
    for (const id of [parent, child, grandchild]) expect((await row(id)).status).toBe('cancelled')
    expect((await row(done)).status).toBe('completed')
  })
})

it('counts what the rows say', async () => {
  const { queries } = test.context.database
  const outcomes = [success, success, failure, 'cancel', success, 'cancel'] as const
  for (const outcome of outcomes) {
    const job = await claimed()
    if (outcome === 'cancel') await cancelJob(queries, job.id, 'x')
    else await finishJob(queries, leaseOf(job), outcome)
  }
  expect(await counters()).toEqual({ jobs_completed: 3, jobs_failed: 1, jobs_cancelled: 2 })
})
