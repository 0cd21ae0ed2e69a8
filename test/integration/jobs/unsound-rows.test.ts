/** Whatever somebody writes into a job row by SQL: it is refused, or the queue goes on. */
import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import {
  beatExecutor,
  cancelJob,
  claimJobs,
  enqueueJob,
  handBackJobs,
  jobStatistics,
  listJobs,
  sweepLostExecutors,
} from '../../../src/core/jobs/index.ts'
import { readStatistics } from '../../../src/core/metrics/index.ts'
import { type TestContext, openTestContext } from '../../support/core-context.ts'
import {
  addClaimed,
  addExecutor,
  finishJob,
  holding,
  insertAnalysis,
  insertJob,
  readJob,
} from '../../support/queue.ts'

let test: TestContext
let analysisId: string
beforeAll(async () => {
  test = await openTestContext()
  analysisId = await insertAnalysis(pool())
})
afterAll(() => test.close())
beforeEach(() => empty())

const pool = () => test.context.database.pool
const queries = () => test.context.database.queries
const sql = (text: string, values: unknown[] = []) => pool().query(text, values)
/** Not truncated, which makes dozens of new files: a tenth of the time, of some hundred tests. */
const empty = () =>
  sql(
    `delete from analysis_jobs; delete from analysis_leases; delete from analysis_executors;
     delete from analysis_job_queue; delete from analysis_slot_requests`,
  )
const row = (id: string) => readJob(pool(), id)
const claimed = (executorId: string, columns = {}) =>
  addClaimed(test.context, analysisId, executorId, columns)

const lease = (job: { id: string; leaseToken: string }) => ({
  jobId: job.id,
  leaseToken: job.leaseToken,
})
const completed = {
  status: 'completed',
  resultText: '1',
  error: null,
  logs: [],
  peakMemoryBytes: null,
} as const

/** Of each column the values that might make a statement of the queue fail. */
const extremes: Readonly<Record<string, readonly string[]>> = {
  attempt: ['2147483647', '-1', '1000000000', '0'],
  lost_count: ['2147483647', '-1', '1000000000'],
  max_lost: ['2147483647', '0', '-1'],
  handed_back_count: ['2147483647', '-2147483648', '1000000000'],
  max_attempts: ['2147483647', '0', 'null'],
  created_at: [`'infinity'`, `'-infinity'`, `'0044-03-15 BC'`, `'9999-12-30'`, `'0001-01-02'`],
  run_at: [`'infinity'`, `'-infinity'`, `'294276-12-31'`, `'9999-12-30'`, `'0001-01-02'`],
  started_at: [`'infinity'`, `'-infinity'`, `'4713-01-01 BC'`, `'9999-12-30'`, 'null'],
  completed_at: [`'infinity'`, `'-infinity'`, `'9999-12-30'`],
  scheduled_for: [`'infinity'`, `'-infinity'`, `'9999-12-30'`, `'0001-01-02'`],
  schedule_timezone: [`'Nowhere/None'`, `''`],
  execution_time_ms: ['9223372036854775807', '-9223372036854775808'],
  peak_memory_bytes: ['9223372036854775807', '-1'],
  ordinary_changes: ['2147483647', '-2147483648', '1000000000', 'null'],
  priority: ['2147483647', '-2147483648'],
  version_number: ['2147483647', '-1', '0'],
  progress: [`'NaN'`, `'Infinity'`, '-0.5', '2', `'-0'`],
  parameters: ['null', `'null'`, `'[1]'`, `'"text"'`, `'1e400'`, `'{"a": {"b": 1e-400}}'`],
  logs: [`'{null}'`, `'{{a,b},{c,null}}'`, 'null', `'[5:6]={x,y}'`],
  triggered_by: ['null', `''`],
  waiting_reason: [`''`, `'held'`],
  lease_token: ['null', 'gen_random_uuid()'],
  executor_id: ['null', 'gen_random_uuid()'],
  parent_job_id: ['id'],
  retry_of: ['id'],
  result: [`'null'`, `'1e400'`],
  error_code: [`''`],
  holds_slot: ['true'],
  waits_for_slot: ['true'],
  ready: ['true', 'false'],
}
const cases = Object.entries(extremes).flatMap(([column, values]) =>
  values.map((value) => [column, value] as const),
)

/** True when a constraint refuses the value, as it may. */
async function set(column: string, value: string): Promise<boolean> {
  try {
    await sql(`update analysis_jobs set ${column} = ${value} where priority = 1`)
    return true
  } catch (error) {
    expect(error).toMatchObject({ code: expect.stringMatching(/^23514$|^23502$|^22P02$/) })
    return false
  }
}

describe('a mark of a commit', () => {
  it.each([
    ['pending', 'now()'],
    ['completed', 'now()'],
    ['running', `'infinity'`],
    ['running', `'-infinity'`],
  ])('is refused on a job that is %s: %s', async (status, value) => {
    const id = await insertJob(pool(), analysisId, { status, lease_token: randomUUID() })
    const change = sql(`update analysis_jobs set committing_at = ${value} where id = $1`, [id])
    await expect(change).rejects.toMatchObject({ constraint: 'kiln_analysis_jobs_committing' })
  })

  it('is refused without a lease', async () => {
    const id = await insertJob(pool(), analysisId, { status: 'running', lease_token: randomUUID() })
    const change = `set committing_at = now(), lease_token = null where id = $1`
    await expect(sql(`update analysis_jobs ${change}`, [id])).rejects.toMatchObject({
      constraint: 'kiln_analysis_jobs_committing',
    })
  })
})

describe('a row with a value that makes no sense', () => {
  const lookAtAll = async () => {
    await listJobs(test.context, { limit: 10 })
    await jobStatistics(queries(), { since: '1000-01-01T00:00:00Z' })
    await readStatistics(queries())
  }

  it.each(cases)('is refused, or is claimed and finished: %s = %s', async (column, value) => {
    await insertJob(pool(), analysisId, { priority: 1 })
    if (!(await set(column, value))) return
    const other = await insertJob(pool(), analysisId)
    await lookAtAll()
    const executor = await addExecutor(test.context)
    const jobs = await claimJobs(queries(), executor, 10)
    expect(jobs.map(({ id }) => id)).toContain(other)
    await lookAtAll()
    await beatExecutor(queries(), executor, holding(...jobs))
    for (const job of jobs) {
      expect(await finishJob(queries(), lease(job), completed)).toBe(true)
    }
    await lookAtAll()
  })

  it.each(cases)(
    'is refused, or ends however a running job may: %s = %s',
    async (column, value) => {
      const ends: readonly ((executorId: string, ids: readonly string[]) => Promise<unknown>)[] = [
        () => sweepLostExecutors(queries()).then(({ problems }) => expect(problems).toEqual([])),
        (executor) => handBackJobs(queries(), executor),
        (executor) => beatExecutor(queries(), executor, holding()),
        (_executor, ids) => Promise.all(ids.map((id) => cancelJob(queries(), id, 'no'))),
      ]
      for (const end of ends) {
        const executor = await addExecutor(test.context)
        const jobs = [await claimed(executor, { priority: 1 }), await claimed(executor)]
        if (!(await set(column, value))) return
        await lookAtAll()
        if (end === ends[0]) await sql('update analysis_executors set stopped_at = now()')
        await end(
          executor,
          jobs.map(({ id }) => id),
        )
        await lookAtAll()
        // The other job is none the worse for it.
        expect((await row(jobs[1]?.id ?? '')).status).not.toBe('running')
        await empty()
      }
    },
  )
})

describe('parameters', () => {
  const nested = (levels: number) => `${'['.repeat(levels)}${']'.repeat(levels)}`
  const long = (bytes: number) => JSON.stringify(['x'.repeat(bytes - 4)])

  it('are kept up to a limit', async () => {
    for (const parameters of [nested(100), long(8 * 1024 ** 2)]) {
      await insertJob(pool(), analysisId, { parameters })
    }
  })

  it.each([
    ['nested too deep', nested(101), 'nested 100 levels deep'],
    ['huge', long(8 * 1024 ** 2 + 1), 'larger than'],
  ])('that are %s are refused, however they come', async (_name, parameters, message) => {
    const refused = { code: '23514', message: expect.stringContaining(message) }
    await expect(insertJob(pool(), analysisId, { parameters })).rejects.toMatchObject(refused)
    const id = await insertJob(pool(), analysisId)
    await expect(
      sql('update analysis_jobs set parameters = $2 where id = $1', [id, parameters]),
    ).rejects.toMatchObject(refused)
    await expect(
      sql(
        `insert into analysis_schedules (analysis_id, cron_expression, parameters)
         values ($1, '* * * * *', $2)`,
        [analysisId, parameters],
      ),
    ).rejects.toMatchObject(refused)
    const input = { analysisId, versionNumber: 1, triggeredBy: 'test' }
    await expect(
      enqueueJob(queries(), { ...input, parameters: JSON.parse(parameters) }),
    ).rejects.toMatchObject({
      code: 'PARAMETER_INVALID',
      message: expect.stringContaining(message),
    })
  })
})

it('never runs a job whose time is infinity', async () => {
  const id = await insertJob(pool(), analysisId, { run_at: 'infinity' })
  expect(await claimJobs(queries(), await addExecutor(test.context), 10)).toEqual([])
  const { jobs } = await listJobs(test.context, { limit: 1 })
  expect(jobs).toMatchObject([{ id, waitingReason: 'never due: run_at is infinity' }])
  await sql('update analysis_jobs set run_at = now()')
  expect(await claimJobs(queries(), await addExecutor(test.context), 10)).toHaveLength(1)
})

it('cancels a circle of parents', async () => {
  const first = await insertJob(pool(), analysisId)
  const second = await insertJob(pool(), analysisId, { parent_job_id: first })
  await sql('update analysis_jobs set parent_job_id = $2 where id = $1', [first, second])
  expect(await cancelJob(queries(), first, 'a circle')).toBe(true)
  expect(await row(second)).toMatchObject({ status: 'cancelled' })
})
