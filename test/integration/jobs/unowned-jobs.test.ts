/** Running jobs that no executor runs, whatever somebody did by SQL to make them so. */
import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import {
  LostExecutorWatch,
  beatExecutor,
  claimJobs,
  insertClaimedJob,
  sweepLostExecutors,
} from '../../../src/core/jobs/index.ts'
import { type TestContext, openTestContext } from '../../support/core-context.ts'
import {
  addClaimed,
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
  analysisId = await insertAnalysis(pool())
})
afterAll(() => test.close())
beforeEach(async () => {
  await pool().query('truncate analysis_jobs, analysis_executors, analysis_counters cascade')
})

const pool = () => test.context.database.pool
const queries = () => test.context.database.queries
const sql = (text: string, values: unknown[] = []) => pool().query(text, values)
const row = (id: string) => readJob(pool(), id)
const add = (columns: Readonly<Record<string, unknown>> = {}) =>
  insertJob(pool(), analysisId, columns)
const leases = async () => (await sql('select executor_id from analysis_leases')).rows
const counters = async () =>
  (await sql('select name, value from analysis_counters order by name')).rows
const claimed = (executorId: string, columns = {}) =>
  addClaimed(test.context, analysisId, executorId, columns)

/** Both ways of looking: that of commands, and that of a service. */
describe.each([
  ['a sweep', () => sweepLostExecutors(queries())],
  ['a service', () => new LostExecutorWatch(test.context).look()],
])('%s', (_name, look) => {
  it('returns a job that was set to running by hand', async () => {
    const id = await add()
    await sql(`update analysis_jobs set status = 'running' where id = $1`, [id])
    await look()
    expect(await row(id)).toMatchObject({ status: 'pending', lost_count: 1, started_at: null })
    expect(await leases()).toEqual([])
    const [job] = await claimJobs(queries(), await addExecutor(test.context), 1)
    expect(job?.id).toBe(id)
  })

  it('fails one that may not be lost', async () => {
    const id = await add({ status: 'running', max_lost: 0 })
    await look()
    expect(await row(id)).toMatchObject({
      status: 'failed',
      error_code: 'executor_lost',
      error_message: 'no executor runs this job',
    })
    expect(await counters()).toEqual([
      { name: 'jobs_failed', value: 1 },
      { name: 'jobs_lost', value: 1 },
    ])
  })

  it('returns the jobs of an executor whose row was deleted', async () => {
    const executor = await addExecutor(test.context)
    const first = await claimed(executor)
    const second = await claimed(executor, { max_lost: 0 })
    const kept = await claimed(await addExecutor(test.context))
    await sql('delete from analysis_executors where id = $1', [executor])
    await look()
    expect(await row(first.id)).toMatchObject({ status: 'pending', executor_id: null })
    expect(await readAttempts(pool(), first.id)).toEqual(['lost'])
    expect(await row(second.id)).toMatchObject({ status: 'failed', error_code: 'executor_lost' })
    expect(await row(kept.id)).toMatchObject({ status: 'running', lease_token: kept.leaseToken })
    expect(await leases()).toHaveLength(1)
    // The executor itself finds that it is no more.
    expect(await beatExecutor(queries(), executor, holding(first))).toMatchObject({
      isAlive: false,
      endedLeases: [`${first.id} ${first.leaseToken}`],
    })
  })

  it.each([
    ['inserted running', `insert into analysis_jobs (analysis_id, status) values ($1, 'running')`],
    [
      'inserted running with an executor that is none',
      `insert into analysis_jobs (analysis_id, status, executor_id, lease_token)
       values ($1, 'running', gen_random_uuid(), gen_random_uuid())`,
    ],
  ])('returns a job that was %s', async (_how, statement) => {
    await sql(statement, [analysisId])
    await look()
    const { rows } = await sql('select status, lost_count from analysis_jobs')
    expect(rows).toEqual([{ status: 'pending', lost_count: 1 }])
    expect(await leases()).toEqual([])
  })

  it('returns a job of which every trace of its executor was taken', async () => {
    const job = await claimed(await addExecutor(test.context))
    await sql('update analysis_jobs set executor_id = null, lease_token = null')
    await look()
    expect(await row(job.id)).toMatchObject({ status: 'pending', lost_count: 1 })
  })

  it('returns the jobs of executors that were truncated', async () => {
    const job = await claimed(await addExecutor(test.context))
    await sql('truncate analysis_executors cascade')
    await look()
    expect(await row(job.id)).toMatchObject({ status: 'pending', lost_count: 1 })
    expect(await leases()).toEqual([])
  })

  it('returns one that somebody has set to running as a claim does', async () => {
    const id = await add()
    await sql(`update analysis_jobs set status = 'running', ready = false, started_at = now()`)
    await look()
    expect(await row(id)).toMatchObject({ status: 'pending', lost_count: 1 })
  })

  it('leaves a job alone that an executor has claimed since', async () => {
    const id = await add()
    await sql(`update analysis_jobs set status = 'running'`)
    await sql(`update analysis_jobs set status = 'pending'`)
    const [job] = await claimJobs(queries(), await addExecutor(test.context), 1)
    expect(job?.id).toBe(id)
    await look()
    expect(await row(id)).toMatchObject({ status: 'running', lease_token: job?.leaseToken })
    expect(await leases()).toHaveLength(1)
  })

  it('deletes the lease of a job that was deleted', async () => {
    await add({ status: 'running' })
    await sql('delete from analysis_jobs')
    await look()
    expect(await leases()).toEqual([])
  })
})

it('returns a job once when several look at a time', async () => {
  const id = await add({ status: 'running' })
  const sweeps = await Promise.all(Array.from({ length: 5 }, () => sweepLostExecutors(queries())))
  expect(sweeps.reduce((sum, { pending }) => sum + pending, 0)).toBe(1)
  expect(await row(id)).toMatchObject({ lost_count: 1 })
})

describe('a heartbeat', () => {
  it('returns a job that somebody has given to its executor', async () => {
    const executor = await addExecutor(test.context)
    const id = await add()
    await sql(`update analysis_jobs set status = 'running', executor_id = $1`, [executor])
    expect(await beatExecutor(queries(), executor, holding())).toMatchObject({ returnedJobs: 1 })
    expect(await row(id)).toMatchObject({ status: 'pending', attempt: 0, executor_id: null })
    expect(await leases()).toEqual([])
  })

  it('returns a job whose lease somebody has taken away', async () => {
    const executor = await addExecutor(test.context)
    const job = await claimed(executor)
    await sql('update analysis_jobs set lease_token = null')
    expect(await beatExecutor(queries(), executor, holding(job))).toMatchObject({
      endedLeases: [`${job.id} ${job.leaseToken}`],
      returnedJobs: 1,
    })
  })

  it('deletes leases that its executor does not know, and no others', async () => {
    const executor = await addExecutor(test.context)
    const kept = await claimed(executor)
    await claimed(executor)
    await sql('delete from analysis_jobs where id <> $1', [kept.id])
    await beatExecutor(queries(), executor, holding(kept))
    expect((await sql('select token from analysis_leases')).rows).toEqual([
      { token: kept.leaseToken },
    ])
  })

  it('fails a job that was inserted claimed while the reply was lost', async () => {
    const executorId = await addExecutor(test.context)
    const input = { analysisId, versionNumber: 1, parameters: {}, triggeredBy: 'test', executorId }
    const job = await insertClaimedJob(queries(), input)
    const kept = await insertClaimedJob(queries(), input)
    expect(await beatExecutor(queries(), executorId, holding(kept))).toMatchObject({
      returnedJobs: 0,
    })
    expect(await row(job.id)).toMatchObject({
      status: 'failed',
      error_code: 'executor_lost',
      attempt: 1,
      lost_count: 1,
      lease_token: null,
    })
    expect(await row(kept.id)).toMatchObject({ status: 'running' })
    expect(await readAttempts(pool(), job.id)).toEqual(['lost'])
    expect(await counters()).toEqual([
      { name: 'jobs_failed', value: 1 },
      { name: 'jobs_lost', value: 1 },
    ])
  })
})

it('accepts a lease row of an executor that is gone', async () => {
  const token = randomUUID()
  await sql(`insert into analysis_leases (token, job_ids) values ($1, '{}')`, [token])
  await sweepLostExecutors(queries())
  expect(await leases()).toEqual([])
})
