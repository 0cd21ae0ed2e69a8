/** Whatever somebody writes into a job row by SQL: it is refused, or the queue goes on. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import {
  LostExecutorWatch,
  beatExecutor,
  cancelJob,
  claimJobs,
  enqueueJob,
  handBackJobs,
  jobStatistics,
  listJobs,
  releaseJobs,
  retryLater,
  sweepLostExecutors,
} from '../../../src/core/jobs/index.ts'
import { readStatistics } from '../../../src/core/metrics/index.ts'
import { type TestContext, openTestContext } from '../../support/core-context.ts'
import {
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
beforeEach(async () => {
  await pool().query('truncate analysis_jobs, analysis_executors cascade')
})

const pool = () => test.context.database.pool
const queries = () => test.context.database.queries
const sql = (text: string, values: unknown[] = []) => pool().query(text, values)
const row = (id: string) => readJob(pool(), id)

async function claimed(executorId: string, columns = {}) {
  const id = await insertJob(pool(), analysisId, columns)
  const jobs = await claimJobs(queries(), executorId, 10)
  const job = jobs.find((one) => one.id === id)
  if (!job) throw new Error('it was not claimed')
  return job
}

/** An executor of a process that is gone, with a job that somebody then changes. */
async function deadHolder(change: string): Promise<string> {
  const child = spawn('true')
  await once(child, 'exit')
  const executor = await addExecutor(test.context, { pid: child.pid ?? 0 })
  const job = await claimed(executor)
  await sql(`update analysis_jobs set ${change} where id = $1`, [job.id])
  return job.id
}

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

describe('attempts that were counted back by SQL', () => {
  const again = async (end: (executorId: string) => Promise<unknown>, rounds = 3) => {
    for (let round = 0; round < rounds; round += 1) {
      const executor = await addExecutor(test.context)
      expect(await claimJobs(queries(), executor, 1)).toHaveLength(1)
      await end(executor)
      await sql('update analysis_jobs set attempt = 0, run_at = now()')
    }
  }

  it('do not keep a rescue from returning jobs', async () => {
    const id = await insertJob(pool(), analysisId)
    await again(async (executor) => {
      await sql('update analysis_executors set stopped_at = now() where id = $1', [executor])
      expect(await sweepLostExecutors(queries())).toEqual({ pending: 1, failed: 0, problems: [] })
    })
    expect(await row(id)).toMatchObject({ status: 'pending', lost_count: 3 })
  })

  it('do not keep a service from handing jobs back', async () => {
    const id = await insertJob(pool(), analysisId)
    await again(async (executor) => expect(await handBackJobs(queries(), executor)).toBe(1))
    expect(await row(id)).toMatchObject({ status: 'pending', handed_back_count: 3 })
  })

  it('do not keep an analysis from being retried', async () => {
    await insertJob(pool(), analysisId)
    const error = { code: 'script_error', message: 'no', stack: null }
    await again(async () => {
      const { rows } = await sql('select id, lease_token as "leaseToken" from analysis_jobs')
      expect(await retryLater(queries(), lease(rows[0]), error, 0)).toBe(true)
    })
  })

  it('do not make a count negative', async () => {
    const executor = await addExecutor(test.context)
    const job = await claimed(executor)
    const other = await claimed(executor)
    await sql('update analysis_jobs set attempt = 0')
    expect(await releaseJobs(queries(), [lease(other)])).toBe(1)
    expect(await beatExecutor(queries(), executor, holding())).toMatchObject({ returnedJobs: 1 })
    for (const { id } of [job, other]) expect(await row(id)).toMatchObject({ attempt: 0 })
  })
})

describe('a look for dead executors', () => {
  /** A job whose rescue fails, whatever its executor, and one of another executor. */
  async function oneFails() {
    const bad = await deadHolder('max_lost = 3')
    const good = await deadHolder('max_lost = 3')
    await sql(`
      create or replace function refuse() returns trigger language plpgsql
        as $$ begin raise exception 'not this one'; end $$;
      create trigger refuse before update on analysis_jobs
        for each row when (old.id = '${bad}') execute function refuse()`)
    return {
      bad,
      good,
      mend: () => sql('drop trigger refuse on analysis_jobs'),
    }
  }

  it('goes on after an executor whose jobs cannot be rescued, and says so', async () => {
    const { bad, good, mend } = await oneFails()
    try {
      const sweep = await sweepLostExecutors(queries())
      expect(sweep).toMatchObject({ pending: 1, failed: 0 })
      expect(sweep.problems).toEqual([
        expect.stringMatching(/^cannot rescue the jobs of executor .*:test: not this one$/),
      ])
      expect(await row(good)).toMatchObject({ status: 'pending' })
      expect(await row(bad)).toMatchObject({ status: 'running' })
    } finally {
      await mend()
    }
    expect(await sweepLostExecutors(queries())).toMatchObject({ pending: 1, problems: [] })
  })

  it('goes on in a service too, and tries again', async () => {
    const { bad, good, mend } = await oneFails()
    const watch = new LostExecutorWatch(test.context)
    try {
      const lost = await watch.look()
      expect(lost).toHaveLength(2)
      expect(lost.find(({ problem }) => problem !== undefined)?.problem).toContain('not this one')
      expect(await row(good)).toMatchObject({ status: 'pending' })
      // Not at once: the database is not asked in a tight loop.
      expect(watch.nextLookInMs).toBe(2000)
    } finally {
      await mend()
    }
    await watch.look()
    expect(await row(bad)).toMatchObject({ status: 'pending' })
  })

  it('says that it could not look, and does not fail', async () => {
    await sql('alter table analysis_executors rename to away')
    const { problems } = await (async () => {
      try {
        return await sweepLostExecutors(queries())
      } finally {
        await sql('alter table away rename to analysis_executors')
      }
    })()
    expect(problems).toEqual([expect.stringMatching(/^cannot look for dead executors: /)])
  })
})

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
    expect(error).toMatchObject({ code: expect.stringMatching(/^23514$|^22P02$/) })
    return false
  }
}

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
        await sql('truncate analysis_jobs, analysis_executors cascade')
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
