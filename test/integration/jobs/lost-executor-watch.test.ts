/** Whom the watch of a service declares dead, and when: on a clock that the test moves. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { afterAll, beforeAll, beforeEach, describe, expect, it, onTestFinished } from 'vitest'
import { openDatabase } from '../../../src/core/database/index.ts'
import {
  LostExecutorWatch,
  beatExecutor,
  claimJobs,
  retireExecutor,
} from '../../../src/core/jobs/index.ts'
import { type TestContext, openTestContext } from '../../support/core-context.ts'
import { openThroughProxy } from '../../support/postgres-proxy.ts'
import {
  addExecutor,
  holding,
  insertAnalysis,
  insertJob,
  readAttempts,
  readJob,
} from '../../support/queue.ts'

let test: TestContext
let analysisId: string
beforeAll(async () => {
  test = await openTestContext()
  analysisId = await insertAnalysis(test.context.database.pool)
})
afterAll(() => test.close())
beforeEach(async () => {
  await pool().query('truncate analysis_jobs, analysis_executors cascade')
})

const pool = () => test.context.database.pool
const queries = () => test.context.database.queries
const statusOf = async (jobId: string) => (await readJob(pool(), jobId)).status

/** A watch whose seconds pass when the test says so. */
function startWatch(database = test.context.database) {
  let now = 1_000_000
  const watch = new LostExecutorWatch({
    database,
    clock: { now: () => now, monotonic: () => now },
  })
  return {
    watch,
    /** Looks again after so many seconds; resolves to how many were declared dead. */
    async after(seconds: number): Promise<number> {
      now += seconds * 1000
      return (await watch.look()).length
    },
  }
}

/** An executor of another machine that holds a job and has just beaten. */
async function elsewhere(): Promise<{ executor: string; job: string; beat(): Promise<unknown> }> {
  const executor = await addExecutor(test.context, { host: 'elsewhere' })
  await insertJob(pool(), analysisId)
  const [job] = await claimJobs(queries(), executor, 1)
  if (!job) throw new Error('there is nothing to claim')
  return {
    executor,
    job: job.id,
    beat: () => beatExecutor(queries(), executor, holding(job)),
  }
}

const makeBeatsOld = () =>
  pool().query(`update analysis_executors set beat_at = now() - interval '1 hour'`)

describe('the watch over executors', () => {
  it('declares dead whose heartbeat it has watched standing still for 8 s', async () => {
    const { job, executor } = await elsewhere()
    await makeBeatsOld()
    const { watch, after } = startWatch()
    // However old the beat is, the watch begins with the first look.
    for (const seconds of [0, 2, 2, 2, 1.9]) expect(await after(seconds)).toBe(0)
    expect(watch.nextLookInMs).toBe(100)
    expect(await after(0.1)).toBe(1)
    expect(await readJob(pool(), job)).toMatchObject({ status: 'pending', lost_count: 1 })
    expect(await readAttempts(pool(), job)).toEqual(['lost'])
    // It is fenced out, and nobody rescues it twice.
    expect(await beatExecutor(queries(), executor, holding())).toMatchObject({ isAlive: false })
    expect(await after(2)).toBe(0)
  })

  it('counts from the heartbeat itself where it watched meanwhile', async () => {
    const { watch, after } = startWatch()
    await after(0)
    const { job } = await elsewhere()
    await pool().query(`update analysis_executors set beat_at = now() - interval '1500 ms'`)
    await after(2)
    for (const seconds of [2, 2]) expect(await after(seconds)).toBe(0)
    expect(watch.nextLookInMs).toBe(2000)
    await after(2)
    // Some 7.5 s have been watched; a test may be slow, but not by more than the clock says.
    expect(watch.nextLookInMs).toBeLessThanOrEqual(500)
    await after(0.5)
    expect(await statusOf(job)).toBe('pending')
  })

  it('lets nobody die who beats', async () => {
    const { job, beat } = await elsewhere()
    const { after } = startWatch()
    for (let look = 0; look < 10; look += 1) {
      await makeBeatsOld()
      expect(await after(2)).toBe(0)
      if (look % 3 === 2) await beat()
    }
    expect(await statusOf(job)).toBe('running')
  })

  it('begins anew after a look that failed', async () => {
    const { job } = await elsewhere()
    await makeBeatsOld()
    const { after } = startWatch()
    for (const seconds of [0, 2, 2, 2]) await after(seconds)
    await pool().query('alter table analysis_executors rename to away')
    await expect(after(1)).rejects.toThrow('analysis_executors')
    await pool().query('alter table away rename to analysis_executors')
    for (const seconds of [1, 2, 2, 2]) expect(await after(seconds)).toBe(0)
    expect(await statusOf(job)).toBe('running')
    expect(await after(2)).toBe(1)
  })

  it('begins anew after a look that found the server read only: it takes no heartbeat', async () => {
    const { job } = await elsewhere()
    await makeBeatsOld()
    const target = { ...test.context.database.target }
    const database = openDatabase({ target, applicationName: 'watch', poolSize: 1 })
    onTestFinished(() => database.close())
    const { after } = startWatch(database)
    for (const seconds of [0, 2, 2, 2]) await after(seconds)
    await database.pool.query('set default_transaction_read_only = on')
    expect(await after(1.9)).toBe(0)
    expect(await after(1.9)).toBe(0)
    await database.pool.query('set default_transaction_read_only = off')
    for (const seconds of [1, 2, 2, 2]) expect(await after(seconds)).toBe(0)
    expect(await statusOf(job)).toBe('running')
    expect(await after(2)).toBe(1)
  })

  it('begins anew after a gap, as when this process was suspended', async () => {
    const { job } = await elsewhere()
    await makeBeatsOld()
    const { after } = startWatch()
    expect(await after(0)).toBe(0)
    expect(await after(60)).toBe(0)
    for (const seconds of [2, 2, 2]) expect(await after(seconds)).toBe(0)
    expect(await statusOf(job)).toBe('running')
    expect(await after(2)).toBe(1)
  })

  it('ends a look that is not answered, and looks again on a new connection', async () => {
    const { job } = await elsewhere()
    const { proxy, database } = await openThroughProxy(test.database.connectionString, 1)
    onTestFinished(async () => {
      await database.close()
      await proxy.close()
    })
    const { after } = startWatch(database)
    expect(await after(0)).toBe(0)
    proxy.freeze()
    await expect(after(2)).rejects.toThrow('timeout')
    proxy.thaw()
    expect(await after(2)).toBe(0)
    expect(await statusOf(job)).toBe('running')
  })

  it('rescues at once what a dead process of this machine held, or one that signed off', async () => {
    const child = spawn('true')
    await once(child, 'exit')
    const jobs: string[] = []
    for (const identity of [{ pid: child.pid ?? 0 }, {}]) {
      const executor = await addExecutor(test.context, identity)
      await insertJob(pool(), analysisId)
      const [job] = await claimJobs(queries(), executor, 1)
      jobs.push(job?.id ?? '')
      if (identity.pid === undefined) await retireExecutor(queries(), executor)
    }
    const { watch } = startWatch()
    const lost = await watch.look()
    expect(lost.map(({ pending, failed }) => [pending, failed])).toEqual([
      [1, 0],
      [1, 0],
    ])
    expect(await Promise.all(jobs.map(statusOf))).toEqual(['pending', 'pending'])
  })

  it('lets two watches rescue a job once', async () => {
    const { job } = await elsewhere()
    await makeBeatsOld()
    const watches = [startWatch(), startWatch()]
    for (const seconds of [0, 2, 2, 2]) {
      await Promise.all(watches.map(({ after }) => after(seconds)))
    }
    await Promise.all(watches.map(({ after }) => after(2)))
    expect(await readJob(pool(), job)).toMatchObject({ status: 'pending', lost_count: 1 })
    expect(await readAttempts(pool(), job)).toEqual(['lost'])
  })
})
