import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { registerExecutor, retireExecutor } from '../../../src/core/jobs/index.ts'
import { ExecutorMeter, foldCounters, readStatistics } from '../../../src/core/metrics/index.ts'
import { currentProcessIdentity } from '../../../src/core/os/index.ts'
import { type TestContext, openTestContext } from '../../support/core-context.ts'

let suite: TestContext
beforeAll(async () => {
  suite = await openTestContext()
})
afterAll(() => suite.close())
beforeEach(async () => {
  await suite.context.database.pool.query('truncate analysis_counters')
})

const queries = () => suite.context.database.queries
const counters = async () => (await readStatistics(queries())).counters

async function newExecutor(): Promise<string> {
  const id = randomUUID()
  await registerExecutor(queries(), {
    id,
    label: 'test',
    kind: 'service',
    identity: currentProcessIdentity(),
    dataFolderId: randomUUID(),
    concurrency: 1,
    programVersion: '0',
  })
  return id
}

describe('what an executor measures', () => {
  test('is saved as totals, so that a repeated save counts nothing twice', async () => {
    const id = await newExecutor()
    const meter = new ExecutorMeter()
    meter.observe('job_duration_seconds', 0.2)
    await meter.save(queries(), id)
    meter.observe('job_duration_seconds', 0.25)
    await meter.save(queries(), id)
    await meter.save(queries(), id)
    expect(await counters()).toEqual({
      'job_duration_seconds_bucket:0.25': 2,
      job_duration_seconds_sum: 0.45,
    })
  })

  test('is written by the next save after one that failed', async () => {
    const id = await newExecutor()
    const meter = new ExecutorMeter()
    meter.observe('job_wait_seconds', 1)
    const gone = { executeQuery: () => Promise.reject(new Error('away')) }
    await expect(meter.save(gone as never, id)).rejects.toThrow()
    await meter.save(queries(), id)
    expect(await counters()).toMatchObject({ 'job_wait_seconds_bucket:1': 1 })
  })

  test('is not written once the executor has ended', async () => {
    const id = await newExecutor()
    const meter = new ExecutorMeter()
    meter.observe('job_wait_seconds', 1)
    await retireExecutor(queries(), id)
    await meter.save(queries(), id)
    expect(await counters()).toEqual({})
  })

  test('adds up over executors', async () => {
    for (const seconds of [0.2, 0.3]) {
      const meter = new ExecutorMeter()
      meter.observe('claim_duration_seconds', seconds)
      await meter.save(queries(), await newExecutor())
    }
    expect(await counters()).toEqual({
      'claim_duration_seconds_bucket:0.25': 1,
      'claim_duration_seconds_bucket:0.5': 1,
      claim_duration_seconds_sum: 0.5,
    })
  })
})

describe('folding', () => {
  async function fill(executors: number): Promise<void> {
    for (let index = 0; index < executors; index += 1) {
      const id = await newExecutor()
      await suite.context.database.pool.query(
        `insert into analysis_counters (executor_id, name, value)
         values ($1, 'jobs_completed', 2), ($1, 'jobs_failed', 1)`,
        [id],
      )
      await suite.context.database.pool.query(
        "update analysis_executors set stopped_at = now() - interval '2 minutes' where id = $1",
        [id],
      )
    }
  }

  test('leaves every sum as it was and one row per name', async () => {
    await fill(20)
    const running = await newExecutor()
    const meter = new ExecutorMeter()
    meter.observe('job_wait_seconds', 0.001)
    await meter.save(queries(), running)
    const before = await counters()
    expect(await foldCounters(queries())).toBe(40)
    expect(await counters()).toEqual(before)
    const { rows } = await suite.context.database.pool.query(
      'select executor_id from analysis_counters group by executor_id',
    )
    expect(rows).toHaveLength(2)
    expect(await foldCounters(queries())).toBe(0)
    await fill(1)
    await foldCounters(queries())
    expect(await counters()).toMatchObject({ jobs_completed: 42, jobs_failed: 21 })
  })

  test('many at once move each row once', async () => {
    await fill(20)
    const before = await counters()
    const moved = await Promise.all([1, 2, 3, 4].map(() => foldCounters(queries())))
    expect(moved.reduce((total, count) => total + count, 0)).toBe(40)
    expect(await counters()).toEqual(before)
  })

  test('leaves an executor that has just ended', async () => {
    const id = await newExecutor()
    const meter = new ExecutorMeter()
    meter.observe('job_wait_seconds', 1)
    await meter.save(queries(), id)
    await retireExecutor(queries(), id)
    expect(await foldCounters(queries())).toBe(0)
  })
})
