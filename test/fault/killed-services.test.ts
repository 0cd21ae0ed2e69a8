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
  const killed: { readonly pid: number; readonly at: unknown }[] = []
  for (let kill = 0; kill < kills; kill += 1) {
    await delay(1000)
    const victim = running[kill % running.length]
    victim?.kill('SIGKILL')
    await victim?.exited
    const { rows: clock } = await pool.query('select clock_timestamp() as at')
    killed.push({ pid: victim?.pid ?? -1, at: clock[0]?.at })
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
  // Each kill loses what one service runs at a time, and those whose script has ended and whose outcome
  // is being written; the restart of Postgres loses nothing.
  expect(books.lostCount).toBeGreaterThan(0)
  expect(books.lostCount).toBeLessThanOrEqual(2 * kills * concurrency)
  expect(books.outcomes).toEqual({ completed: jobs, lost: books.lostCount })
  expect(books.counters).toEqual({ jobs_completed: jobs, jobs_lost: books.lostCount })
  await expectKillsToExplain(killed)
  await Promise.all(running.map(isReady))
  // Nobody else was taken for dead, not even for a while: it would have registered anew.
  const { rows: alive } = await pool.query<{ pid: number }>(
    'select pid from analysis_executors where pid <> all ($1) order by pid',
    [killed.map(({ pid }) => pid)],
  )
  expect(alive.map(({ pid }) => pid)).toEqual(
    running.map(({ pid }) => pid).toSorted((a, b) => a - b),
  )
  const { rows: stopped } = await pool.query(
    'select pid from analysis_executors where pid <> all ($1) and stopped_at is not null',
    [killed.map(({ pid }) => pid)],
  )
  expect(stopped).toEqual([])
  // Those that were not killed have lived through it all.
  for (const service of running) service.kill('SIGTERM')
  for (const service of running) expect((await service.exited).exitCode).toBe(0)
})

/** Every attempt that was lost is one of a service that was killed, and the counters say so. */
async function expectKillsToExplain(
  killed: readonly { readonly pid: number; readonly at: unknown }[],
): Promise<void> {
  const { pool } = postgres
  // A script cannot have ended before its claim and its sleep: those that ran at the kill.
  const { rows } = await pool.query<{
    pid: number
    lost: number
    certainly_running: number
    counted: number
  }>(
    `select executor.pid, count(*)::integer as lost,
       count(*) filter (
         where attempt.started_at + (job.parameters ->> 'ms')::float8 * interval '1 millisecond' > kill.at
       )::integer as certainly_running,
       (
         select value from analysis_counters
         where executor_id = attempt.executor_id and name = 'jobs_lost'
       )::integer as counted
     from analysis_job_attempts attempt
     join analysis_jobs job on job.id = attempt.job_id
     left join analysis_executors executor on executor.id = attempt.executor_id
     left join unnest($1::integer[], $2::timestamptz[]) as kill (pid, at) on kill.pid = executor.pid
     where attempt.outcome = 'lost'
     group by attempt.executor_id, executor.pid`,
    [killed.map(({ pid }) => pid), killed.map(({ at }) => at)],
  )
  for (const { pid, lost, certainly_running: ran, counted } of rows) {
    expect(killed.map((victim) => victim.pid)).toContain(pid)
    expect(ran).toBeLessThanOrEqual(concurrency)
    expect(counted).toBe(lost)
  }
  // One process, one executor: a pid says which.
  expect(new Set(rows.map(({ pid }) => pid)).size).toBe(rows.length)
}
