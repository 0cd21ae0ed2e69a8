/** Three services of which one is killed every second, and a restart of Postgres in between. */
import { setTimeout as delay } from 'node:timers/promises'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { type OwnPostgres, startOwnPostgres } from '../support/own-postgres.ts'
import { insertAnalysis } from '../support/queue.ts'
import { type Services, allJobsEnd, isReady, openServices, readBooks } from '../support/services.ts'

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

const concurrency = 3
const kills = 10
/** Three services work off at most 30 jobs a second. */
const jobs = 400

it('complete every job in exactly one attempt, and their books agree', async () => {
  const { pool } = postgres
  const analysisId = await insertAnalysis(
    pool,
    'export default async ({ ms }, ctx) => { await ctx.sleep(ms); return ms }',
  )
  const start = () => services.start(['--no-http', '--concurrency', String(concurrency)])
  const running = [start(), start(), start()]
  await Promise.all(running.map(isReady))
  await pool.query(
    `insert into analysis_jobs (analysis_id, parameters, max_lost)
     select $1, jsonb_build_object('ms', 100 + 400 * number / $2), 10
     from generate_series(1, $2) as number`,
    [analysisId, jobs],
  )
  for (let kill = 0; kill < kills; kill += 1) {
    await delay(1000)
    const victim = running[kill % running.length]
    victim?.kill('SIGKILL')
    await victim?.exited
    if (kill === kills / 2) {
      await postgres.stop()
      await postgres.start()
    }
    running[kill % running.length] = start()
  }
  const { rows } = await pool.query(`select 1 from analysis_jobs where status = 'pending' limit 1`)
  expect(rows, 'work goes on past the last kill').toHaveLength(1)
  await allJobsEnd(pool, 60_000)

  const books = await readBooks(pool)
  expect(books.oddJobs).toEqual([])
  expect(books.statuses).toEqual({ completed: jobs })
  // Each kill loses at most what one service runs at a time, and as many whose script has ended and
  // whose outcome is being written; the restart of Postgres loses nothing.
  expect(books.lostCount).toBeGreaterThan(0)
  expect(books.lostCount).toBeLessThanOrEqual(2 * kills * concurrency)
  expect(books.outcomes).toEqual({ completed: jobs, lost: books.lostCount })
  expect(books.counters).toEqual({ jobs_completed: jobs, jobs_lost: books.lostCount })
  // Those that were not killed have lived through it all.
  for (const service of running) service.kill('SIGTERM')
  for (const service of running) expect((await service.exited).exitCode).toBe(0)
})
