/** A Postgres that is away for much longer than it takes to declare an executor dead. */
import { setTimeout as delay } from 'node:timers/promises'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { type OwnPostgres, startOwnPostgres } from '../support/own-postgres.ts'
import { insertAnalysis } from '../support/queue.ts'
import { type Services, allJobsEnd, isReady, openServices, readBooks } from '../support/services.ts'
import { waitUntil } from '../support/wait-until.ts'

let postgres: OwnPostgres
let services: Services
beforeAll(async () => {
  postgres = await startOwnPostgres()
  services = await openServices(postgres.connectionString)
})
afterAll(async () => {
  await services.close()
  await postgres.close()
})

const awayMs = 30_000

it('costs three services no job: nobody is taken for dead, all outcomes are written', async () => {
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
  await allJobsEnd(pool, 30_000)

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
