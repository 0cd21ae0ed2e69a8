import { spawn } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { afterAll, beforeAll, beforeEach, describe, expect, it, onTestFinished } from 'vitest'
import { waitForJob, waitForJobs } from '../../../src/core/jobs/index.ts'
import { type TestContext, openTestContext } from '../../support/core-context.ts'
import { openLosingDatabase } from '../../support/losing-database.ts'
import { addExecutor, insertAnalysis, insertJob } from '../../support/queue.ts'

let test: TestContext
let analysisId: string
beforeAll(async () => {
  test = await openTestContext()
  analysisId = await insertAnalysis(test.context.database.pool)
})
afterAll(() => test.close())
beforeEach(async () => {
  await test.context.database.pool.query('truncate analysis_jobs, analysis_executors cascade')
})

const sql = (text: string, values: unknown[] = []) => test.context.database.pool.query(text, values)
const add = (columns: Readonly<Record<string, unknown>> = {}) =>
  insertJob(test.context.database.pool, analysisId, columns)

/** Ends the process of a child and returns its pid, which is free now. */
async function deadPid(): Promise<number> {
  const child = spawn('true')
  await once(child, 'exit')
  return child.pid ?? 0
}

/** A clock on which time passes by looking at it. */
function racingClock(stepMs: number) {
  let now = 0
  return { ...test.context.clock, monotonic: () => (now += stepMs) }
}

describe('waitForJobs', () => {
  it('returns all in the order given once the last has ended', async () => {
    const first = await add()
    const second = await add({ status: 'completed' })
    const looking = waitForJobs(test.context, [first, second, first])
    await sql(`update analysis_jobs set status = 'failed' where id = $1`, [first])
    expect((await looking).map((job) => [job.id, job.status])).toEqual([
      [first, 'failed'],
      [second, 'completed'],
    ])
  })

  it('with any returns the one that ended first', async () => {
    const pending = await add()
    const late = await add({ status: 'completed', completed_at: '2026-01-02T00:00:00.5Z' })
    const early = await add({ status: 'failed', completed_at: '2026-01-02T00:00:00Z' })
    const jobs = await waitForJobs(test.context, [pending, late, early], { any: true })
    expect(jobs.map((job) => job.id)).toEqual([early])
  })

  it('finds a job whose executor has died', async () => {
    const executor = await addExecutor(test.context, { pid: await deadPid() })
    const held = { status: 'running', executor_id: executor, lease_token: randomUUID() }
    const lost = await add({ ...held, max_lost: 0 })
    const job = await waitForJob(test.context, lost)
    expect(job).toMatchObject({ status: 'failed', errorCode: 'executor_lost' })
  })

  it('ends when the time is over, naming what has not ended', async () => {
    const pending = await add()
    const ended = await add({ status: 'completed' })
    const context = { ...test.context, clock: racingClock(1000) }
    await expect(waitForJobs(context, [ended, pending], { timeoutMs: 1000 })).rejects.toMatchObject(
      {
        code: 'WAIT_TIMEOUT',
        details: { jobs: [{ id: pending, status: 'pending' }] },
      },
    )
  })

  describe('while the database is away', () => {
    const looks = /from "analysis_jobs"/
    const open = (isLost: Parameters<typeof openLosingDatabase>[1]) => {
      const database = openLosingDatabase(test.database.connectionString, isLost)
      onTestFinished(() => database.close())
      return database
    }

    it('goes on, and says so once', async () => {
      const ended = await add({ status: 'completed' })
      const database = open((text, lost) => looks.test(text) && lost.length < 2)
      const said: string[] = []
      const onAway = (message: string) => void said.push(message)
      const jobs = await waitForJobs({ ...test.context, database }, [ended], { onAway })
      expect(jobs).toHaveLength(1)
      expect(database.lost).toHaveLength(2)
      expect(said).toEqual([expect.stringContaining('the losing database is not reachable')])
    })

    it.each([
      ['its time is over', { timeoutMs: 5000 }, 1500],
      ['a minute is over', {}, 20_000],
    ])('ends when %s', async (_when, options, stepMs) => {
      const database = open((text) => looks.test(text))
      const context = { ...test.context, database, clock: racingClock(stepMs) }
      await expect(waitForJobs(context, [await add()], options)).rejects.toThrow('ECONNRESET')
      expect(database.lost.length).toBeGreaterThan(1)
    })
  })

  it('looks once even without time', async () => {
    const ended = await add({ status: 'completed' })
    const context = { ...test.context, clock: racingClock(1000) }
    expect(await waitForJobs(context, [ended], { timeoutMs: 1 })).toHaveLength(1)
  })

  it('ends with the reason of the signal', async () => {
    const stop = new AbortController()
    const waiting = waitForJobs({ ...test.context, signal: stop.signal }, [await add()])
    stop.abort(new Error('enough'))
    await expect(waiting).rejects.toThrow('enough')
  })

  it('names ids that are not there, also of a job that is deleted meanwhile', async () => {
    const missing = randomUUID()
    await expect(waitForJobs(test.context, [await add(), missing])).rejects.toMatchObject({
      code: 'JOB_NOT_FOUND',
      details: { job_ids: [missing] },
    })
    const deleted = await add()
    const waiting = waitForJobs(test.context, [deleted])
    // Looked at from now on: it may end while the statement is on its way back.
    const refused = expect(waiting).rejects.toMatchObject({ code: 'JOB_NOT_FOUND' })
    await sql('delete from analysis_jobs where id = $1', [deleted])
    await refused
  })
})
