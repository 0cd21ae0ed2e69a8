/** What takes a minute of waiting, side by side. */
import { setTimeout as delay } from 'node:timers/promises'
import { afterAll, expect, it } from 'vitest'
import { type OwnPostgres, startOwnPostgres } from '../support/own-postgres.ts'
import { insertAnalysis } from '../support/queue.ts'
import { type Services, allJobsEnd, isReady, openServices, readBooks } from '../support/services.ts'
import { waitUntil } from '../support/wait-until.ts'

const closers: (() => Promise<void>)[] = []
afterAll(async () => {
  for (const close of closers.toReversed()) await close()
})

/** A Postgres of its own, and services of it. */
async function open(settings?: Readonly<Record<string, string>>): Promise<{
  readonly postgres: OwnPostgres
  readonly services: Services
}> {
  const postgres = await startOwnPostgres(settings)
  closers.push(() => postgres.close())
  const services = await openServices(postgres.connectionString)
  closers.push(() => services.close())
  return { postgres, services }
}

/** Two readings of the statistics and two keepalives, which come every 30 s. */
const windowMs = 60_000

it.concurrent('an idle service asks at most three statements a second, with all its parts', async () => {
  const { postgres, services } = await open({ shared_preload_libraries: 'pg_stat_statements' })
  const { pool } = postgres
  await pool.query('create extension pg_stat_statements')
  const service = services.start(['--port', '0'])
  await isReady(service)
  await pool.query('select pg_stat_statements_reset()')
  const startedAt = performance.now()
  await delay(windowMs)
  const { rows } = await pool.query<{ calls: number; query: string }>(
    `select calls, query
     from pg_stat_statements
     where query not like '%pg_stat_statements%'
     order by calls desc`,
  )
  const seconds = (performance.now() - startedAt) / 1000
  const calls = rows.reduce((sum, row) => sum + row.calls, 0)
  const detail = rows.map(
    (row) => `${row.calls} ${row.query.replaceAll(/\s+/g, ' ').slice(0, 100)}`,
  )
  expect(calls, detail.join('\n')).toBeGreaterThan(0)
  expect(calls / seconds, detail.join('\n')).toBeLessThanOrEqual(3)
})

/** Much longer than it takes to declare an executor dead. */
const awayMs = 30_000

it.concurrent('a Postgres that is away costs three services no job: nobody is taken for dead, all outcomes are written', async () => {
  const { postgres, services } = await open()
  const { pool } = postgres
  const analysisId = await insertAnalysis(
    pool,
    `export default async ({ ms }, ctx) => {
      ctx.log.info('begun')
      await ctx.sleep(ms)
      return ms
    }`,
  )
  const running = [1, 2, 3].map(() => services.start(['--no-http', '--concurrency', '2']))
  await Promise.all(running.map(isReady))
  // Half of them end while the database is away, half go on when it is back.
  await pool.query(
    `insert into analysis_jobs (analysis_id, parameters)
     select $1, jsonb_build_object('ms', case when number <= 3 then 12000 else $2 end)
     from generate_series(1, 6) as number`,
    [analysisId, awayMs + 5000],
  )
  await waitUntil('all scripts run, and everybody has watched everybody for a while', async () => {
    const { rows } = await pool.query(
      `select distinct log.job_id
       from analysis_job_logs log
       join analysis_jobs job on job.id = log.job_id
       join analysis_executors executor on executor.id = job.executor_id
       where executor.beat_count >= 3`,
    )
    return rows.length === 6
  })
  const { rows: holders } = await pool.query(
    'select distinct executor_id from analysis_jobs order by executor_id',
  )
  expect(holders).toHaveLength(3)

  await postgres.stop()
  await delay(awayMs)
  await postgres.start()
  await allJobsEnd(pool, 60_000)

  expect(await readBooks(pool)).toEqual({
    statuses: { completed: 6 },
    outcomes: { completed: 6 },
    lostCount: 0,
    oddJobs: [],
    counters: { jobs_completed: 6 },
  })
  const { rows: dead } = await pool.query(
    'select label from analysis_executors where stopped_at is not null',
  )
  expect(dead).toEqual([])
  const { rows: finishers } = await pool.query(
    'select distinct executor_id from analysis_job_attempts order by executor_id',
  )
  expect(finishers).toEqual(holders)
})
