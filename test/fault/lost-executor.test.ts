/** Processes that die or freeze in the middle of a job: real ones, by real signals. */
import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import { rescueJobs } from '../../src/core/jobs/index.ts'
import { type TestContext, openTestContext } from '../support/core-context.ts'
import { descendantsOf, survivors } from '../support/descendants.ts'
import { type KilnOptions, type RunningKiln, runKiln, startKiln } from '../support/kiln.ts'
import { addExecutor, insertAnalysis, insertJob, readAttempts, readJob } from '../support/queue.ts'
import { waitUntil } from '../support/wait-until.ts'

let test: TestContext
let options: KilnOptions
beforeAll(async () => {
  test = await openTestContext()
  options = {
    cwd: test.folder.path,
    env: {
      DATABASE_URL: test.database.connectionString,
      ANALYSIS_DATA_DIR: test.context.settings.dataDir,
    },
  }
})
afterAll(() => test.close())
afterEach(() => pool().query('truncate analyses cascade'))

const pool = () => test.context.database.pool
const row = (id: string) => readJob(pool(), id)

function start(args: readonly string[]): RunningKiln {
  const kiln = startKiln(args, options)
  onTestFinished(async () => {
    kiln.kill('SIGCONT')
    kiln.kill('SIGKILL')
    await kiln.exited
  })
  return kiln
}
const service = ['serve-scheduler', '--no-http', '--concurrency', '2']
const serveOnce = () => runKiln([...service, '--once', '--json'], options)

/** Uses DuckDB, counts its run, then goes on until `go` is set or, if `busy`, for ever. */
const script = (busy = false) => `export default async (p, ctx) => {
  await ctx.duckdb.exec('create table t as select 1 as a')
  await ctx.metadata.set('runs', ((await ctx.metadata.get('runs')) ?? 0) + 1)
  ${busy ? 'if (!p.isLast) while (true) {}' : `while ((await ctx.metadata.get('go')) !== true) continue`}
  return 'run ' + (await ctx.metadata.get('runs'))
}`
const runs = (count: number) =>
  waitUntil(`the script has begun ${count} times`, async () => {
    const { rows } = await pool().query<{ value: number }>(
      `select value from analysis_metadata where key = 'runs'`,
    )
    return (rows[0]?.value ?? 0) >= count
  })
const letGo = (analysisId: string) =>
  pool().query(
    `insert into analysis_metadata (analysis_id, key, value) values ($1, 'go', 'true')`,
    [analysisId],
  )

describe('analysis run that is killed', () => {
  async function killed(busy: boolean): Promise<{ jobId: string; children: number[] }> {
    writeFileSync(path.join(test.folder.path, 'script.js'), script(busy))
    const kiln = start(['analysis', 'run', 'script.js'])
    await runs(1)
    const { rows } = await pool().query<{ id: string }>('select id from analysis_jobs')
    // Sandbox and DuckDB; a command starts no spare.
    const children = descendantsOf(kiln.pid)
    expect(children.length).toBeGreaterThanOrEqual(2)
    kiln.kill('SIGKILL')
    await kiln.exited
    return { jobId: rows[0]?.id ?? '', children }
  }

  it.each([true, false])('leaves no process behind, busy: %s', async (busy) => {
    const { children } = await killed(busy)
    await waitUntil('its children are gone', () => survivors(children).length === 0)
  })

  it('leaves a job that each command finds lost', async () => {
    const { jobId: killedId } = await killed(true)
    expect(await row(killedId)).toMatchObject({ status: 'running' })
    // As the killed one left it, with another process that is gone.
    const leave = async () => {
      const executor_id = await addExecutor(test.context, { pid: spawnSync('true').pid })
      const { rows } = await pool().query<{ analysis_id: string }>(
        'select analysis_id from analysis_jobs where id = $1',
        [killedId],
      )
      const running = { status: 'running', attempt: 1, max_lost: 0, started_at: 'now' }
      return insertJob(pool(), rows[0]?.analysis_id ?? '', { ...running, executor_id })
    }
    for (const command of ['show', 'list', 'result', 'logs']) {
      const jobId = command === 'show' ? killedId : await leave()
      const args = ['job', command, ...(command === 'list' ? [] : [jobId]), '--json']
      const result = await runKiln(args, options)
      expect(result.exitCode).toBe(command === 'result' ? 23 : 0)
      expect(await row(jobId)).toMatchObject({ status: 'failed', error_code: 'executor_lost' })
      expect(await readAttempts(pool(), jobId)).toEqual(['lost'])
    }
  })

  it('is not run again by a service, and its folder goes', async () => {
    const { jobId } = await killed(true)
    const folder = path.join(test.context.settings.dataDir, 'jobs', jobId)
    expect(existsSync(folder)).toBe(true)
    expect(JSON.parse((await serveOnce()).stdout)).toEqual({
      completed: 0,
      failed: 0,
      cancelled: 0,
    })
    expect(await row(jobId)).toMatchObject({ status: 'failed', error_code: 'executor_lost' })
    expect(existsSync(folder)).toBe(false)
  })
})

describe('a service that is killed', () => {
  it('loses its jobs to the next one, and leaves no process behind', async () => {
    const analysisId = await insertAnalysis(pool(), script())
    const jobIds = [await insertJob(pool(), analysisId), await insertJob(pool(), analysisId)]
    const first = start(service)
    await runs(2)
    const children = descendantsOf(first.pid)
    first.kill('SIGKILL')
    await first.exited
    await letGo(analysisId)
    expect(JSON.parse((await serveOnce()).stdout)).toEqual({
      completed: 2,
      failed: 0,
      cancelled: 0,
    })
    for (const id of jobIds) {
      expect(await row(id)).toMatchObject({ status: 'completed', lost_count: 1, attempt: 2 })
      expect(await readAttempts(pool(), id)).toEqual(['lost', 'completed'])
    }
    await waitUntil('its children are gone', () => survivors(children).length === 0)
    const left = readdirSync(path.join(test.context.settings.dataDir, 'jobs'))
    expect(left.filter((name) => jobIds.some((id) => name.startsWith(id)))).toEqual([])
  })

  it('gives up a job that kills every executor', async () => {
    const analysisId = await insertAnalysis(pool(), script(true))
    const jobId = await insertJob(pool(), analysisId, { max_lost: 1 })
    for (const run of [1, 2]) {
      const kiln = start(service)
      await runs(run)
      kiln.kill('SIGKILL')
      await kiln.exited
    }
    await serveOnce()
    expect(await row(jobId)).toMatchObject({ status: 'failed', error_code: 'executor_lost' })
    expect(await readAttempts(pool(), jobId)).toEqual(['lost', 'lost'])
  })

  it('ends a command that waits for its job with 23', async () => {
    writeFileSync(path.join(test.folder.path, 'script.js'), script(true))
    const waiting = start(['analysis', 'run', 'script.js', '--queue', '--json'])
    const [, jobId] = await waiting.waitForOutput(/queued as job (\S+);/)
    await pool().query('update analysis_jobs set max_lost = 0 where id = $1', [jobId])
    const kiln = start(service)
    await runs(1)
    kiln.kill('SIGKILL')
    expect(await waiting.exited).toMatchObject({ exitCode: 23 })
  })
})

describe('a service that is frozen and declared dead', () => {
  it('changes nothing when it wakes up, and goes on as a new executor', async () => {
    const analysisId = await insertAnalysis(pool(), script())
    const jobId = await insertJob(pool(), analysisId)
    const frozen = start(service)
    await runs(1)
    frozen.kill('SIGSTOP')
    const { executor_id: executorId } = await row(jobId)
    const { rows } = await pool().query<{ beat_count: number }>(
      'select beat_count from analysis_executors where id = $1',
      [executorId],
    )
    await rescueJobs(test.context.database.queries, executorId ?? '', rows[0]?.beat_count ?? -1)
    await letGo(analysisId)
    expect(JSON.parse((await serveOnce()).stdout)).toMatchObject({ completed: 1 })
    const outcome = await row(jobId)
    expect(outcome).toMatchObject({ status: 'completed', result: 'run 2' })

    frozen.kill('SIGCONT')
    await frozen.waitForOutput(/declared dead/)
    // The new executor of that process takes jobs again.
    const next = await insertJob(pool(), analysisId)
    await waitUntil(
      'the next job is completed',
      async () => (await row(next)).status === 'completed',
    )
    expect((await row(next)).executor_id).not.toBe(executorId)
    expect(await row(jobId)).toEqual(outcome)
    expect(await readAttempts(pool(), jobId)).toEqual(['lost', 'completed'])
    frozen.kill('SIGTERM')
    expect(await frozen.exited).toMatchObject({ exitCode: 0 })
  })
})

describe('a service that is frozen while another watches', () => {
  it('loses its job within ten seconds', async () => {
    const analysisId = await insertAnalysis(pool(), script())
    const jobId = await insertJob(pool(), analysisId)
    const frozen = start(service)
    await runs(1)
    const watching = start(service)
    await watching.waitForOutput(/Job poller started/)
    frozen.kill('SIGSTOP')
    const { rows: clock } = await pool().query<{ at: string }>(
      'select clock_timestamp()::text as at',
    )
    await runs(2)
    await letGo(analysisId)
    await waitUntil('the job is completed', async () => (await row(jobId)).status === 'completed')
    expect(await readAttempts(pool(), jobId)).toEqual(['lost', 'completed'])
    // All in database time. The last heartbeat came before the freeze, by up to two seconds; the
    // watch counts from its first look, which may have been later than that heartbeat.
    const { rows } = await pool().query<{ sinceHeartbeat: number; sinceFreeze: number }>(
      `select extract(epoch from attempt.finished_at - executor.beat_at)::float8
           as "sinceHeartbeat",
         extract(epoch from attempt.finished_at - $1::timestamptz)::float8 as "sinceFreeze"
       from analysis_job_attempts attempt
       join analysis_executors executor on executor.id = attempt.executor_id
       where attempt.outcome = 'lost'`,
      [clock[0]?.at],
    )
    expect(rows[0]?.sinceHeartbeat).toBeGreaterThanOrEqual(8)
    expect(rows[0]?.sinceFreeze).toBeLessThan(10)
  })
})

describe('two services on one data folder', () => {
  it('complete each of 200 jobs in exactly one attempt', async () => {
    const analysisId = await insertAnalysis(pool())
    await pool().query(
      'insert into analysis_jobs (analysis_id) select $1 from generate_series(1, 200)',
      [analysisId],
    )
    const services = await Promise.all([serveOnce(), serveOnce()])
    const completed = services.map(
      ({ stdout }) => (JSON.parse(stdout) as { completed: number }).completed,
    )
    expect(completed.reduce((sum, count) => sum + count)).toBe(200)
    const { rows } = await pool().query(
      `select job.status, attempt.outcome, count(*), count(distinct job.id) as jobs
       from analysis_jobs job
       join analysis_job_attempts attempt on attempt.job_id = job.id
       group by job.status, attempt.outcome`,
    )
    expect(rows).toEqual([{ status: 'completed', outcome: 'completed', count: 200, jobs: 200 }])
  })
})

describe('a database that goes away', () => {
  it('for a moment costs no job its outcome', async () => {
    const analysisId = await insertAnalysis(pool(), script())
    const jobId = await insertJob(pool(), analysisId)
    const kiln = start([...service, '--once', '--json'])
    await runs(1)
    await letGo(analysisId)
    // Every connection of Kiln's, several times.
    for (let round = 0; round < 5; round += 1) {
      await pool().query(
        `select pg_terminate_backend(pid) from pg_stat_activity
         where datname = current_database() and application_name like 'kiln %'
           and application_name <> 'kiln test'`,
      )
    }
    const result = await kiln.exited
    expect(result.exitCode, result.stderr).toBe(0)
    expect(await row(jobId)).toMatchObject({ status: 'completed' })
  })
})
