/** Plans that a connection keeps, of tables that were empty when they were made. */
import { randomUUID } from 'node:crypto'
import pg from 'pg'
import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { type Database, openDatabase } from '../../../src/core/database/index.ts'
import { prepare, runPrepared } from '../../../src/core/database/prepared-statement.ts'
import { beatExecutor, claimJobs, finishJobs } from '../../../src/core/jobs/index.ts'
import { type TestContext, openTestContext } from '../../support/core-context.ts'
import { addExecutor, holding, insertAnalysis } from '../../support/queue.ts'

let test: TestContext
/** Of one connection. */
let database: Database
beforeEach(async () => {
  test = await openTestContext()
  const { target } = test.context.database
  database = openDatabase({ target, applicationName: 'kiln test', poolSize: 1 })
})
afterEach(async () => {
  vi.useRealTimers()
  vi.restoreAllMocks()
  await database.close()
  await test.close()
})

const outcome = {
  status: 'completed',
  resultText: '1',
  error: null,
  logs: [],
  peakMemoryBytes: null,
  startDelayMs: 0,
  durationMs: 1,
} as const

/** What an executor sends all the time. Returns how many jobs it had. */
async function work(executorId: string): Promise<number> {
  const { queries } = database
  const jobs = await claimJobs(queries, executorId, 20)
  await beatExecutor(queries, executorId, holding(...jobs))
  await finishJobs(
    queries,
    jobs.map(({ id, leaseToken }) => ({ lease: { jobId: id, leaseToken }, outcome })),
    jobs.slice(0, 1).map(({ leaseToken }) => leaseToken),
  )
  return jobs.length
}

/** A value of each type that the statements take. */
const valueOf = (type: string): string =>
  type.endsWith('[]') ? `'{}'` : type === 'uuid' ? `'${randomUUID()}'` : '20'

/** The plan by which the connection would run a statement that it has prepared. */
async function planOf(name: string): Promise<string> {
  const { rows: types } = await database.pool.query<{ type: string }>(
    'select unnest(parameter_types)::text as type from pg_prepared_statements where name = $1',
    [name],
  )
  const values = types.map(({ type }) => valueOf(type)).join(', ')
  const { rows } = await database.pool.query<{ 'QUERY PLAN': string }>(
    `explain (costs off) execute ${name}(${values})`,
  )
  return rows.map((row) => row['QUERY PLAN']).join('\n')
}

it('are given up when the tables have grown, also if nobody has analyzed them', async () => {
  const { pool } = database
  const analysisId = await insertAnalysis(pool)
  const executorId = await addExecutor(test.context)
  await pool.query('alter table analysis_jobs set (autovacuum_enabled = off)')
  // It says that the table is empty, which an insert does not change.
  await pool.query('vacuum full analysis_jobs')
  for (let round = 0; round < 10; round += 1) await work(executorId)
  const { rows: kept } = await pool.query<{ name: string }>(
    'select name from pg_prepared_statements where generic_plans > 0 order by name',
  )
  const names = ['kiln_beat_executor', 'kiln_claim_jobs', 'kiln_finish_jobs']
  expect(kept.map(({ name }) => name)).toEqual(names)
  expect(await planOf('kiln_claim_jobs')).toContain('Seq Scan on analysis_jobs')

  await pool.query(
    `insert into analysis_jobs (analysis_id, status)
     select $1, case when n % 2 = 0 then 'completed' else 'pending' end
     from generate_series(1, 200000) as n`,
    [analysisId],
  )
  // That may have taken longer than a heartbeat is good for.
  await pool.query('update analysis_executors set beat_at = now()')
  expect(await work(executorId)).toBe(20)
  for (const name of names) expect(await planOf(name)).not.toContain('Seq Scan on analysis_jobs')
  expect(await work(executorId)).toBe(20)
})

it('are given up ever less often while new ones are as slow', async () => {
  vi.useFakeTimers({ toFake: ['performance'] })
  const statement = prepare('kiln_test_one', 'select 1 as one')
  const send = pg.Client.prototype.query as (...given: unknown[]) => unknown
  let tookMs = 1
  let isGivenUp = false
  vi.spyOn(pg.Client.prototype, 'query').mockImplementation(function (
    this: pg.Client,
    ...given: unknown[]
  ) {
    const { text } = given[0] as { readonly text?: string }
    if (text === statement.text) vi.advanceTimersByTime(tookMs)
    if (text === 'discard plans') isGivenUp = true
    return send.apply(this, given)
  } as never)
  /** Seconds at which plans were given up, of one call every half a second. */
  async function givenUpWithin(seconds: number): Promise<number[]> {
    const found: number[] = []
    for (let second = 0; second < seconds; second += 0.5) {
      isGivenUp = false
      await runPrepared(database.queries, statement, [])
      vi.advanceTimersByTime(500 - tookMs)
      if (isGivenUp) found.push(second)
    }
    return found
  }
  expect(await givenUpWithin(1)).toEqual([])
  tookMs = 100
  expect(await givenUpWithin(60)).toEqual([0, 1.5, 4, 8.5, 17, 25.5, 34, 42.5, 51, 59.5])
  // What was fast for so long may have an old plan again.
  vi.advanceTimersByTime(60_000)
  expect(await givenUpWithin(4)).toEqual([0, 1.5])
})
