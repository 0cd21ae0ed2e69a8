/** Statements that stand in operators' runbooks and tools, letter by letter. */
import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, expect, it, onTestFinished } from 'vitest'
import { type TestContext, openTestContext } from '../../support/core-context.ts'
import { type KilnOptions, runKiln, startKiln } from '../../support/kiln.ts'
import { insertAnalysis, insertJob, readAttempts, readJob } from '../../support/queue.ts'
import { waitUntil } from '../../support/wait-until.ts'

let test: TestContext
let options: KilnOptions
beforeAll(async () => {
  test = await openTestContext()
  options = {
    env: {
      DATABASE_URL: test.database.connectionString,
      ANALYSIS_DATA_DIR: test.context.settings.dataDir,
    },
  }
})
afterAll(() => test.close())

const sql = (text: string) => test.context.database.pool.query(text)

const insertOneAnalysis = `INSERT INTO analyses (id, title, script_content, project_id, is_active, version)
VALUES (gen_random_uuid(), 'Test Analysis', 'export default function analyze(data) { return {result: "success"}; }', 'your-project-id', true, 1);`

const insertOneJob = (analysisId: string) =>
  `INSERT INTO analysis_jobs (id, analysis_id, status, parameters, triggered_by)
VALUES (gen_random_uuid(), '${analysisId}', 'pending', '{"test": true}', 'manual_test');`

const cancelStatement = `UPDATE analysis_jobs SET status = 'cancelled', error_message = 'Cancelled due to timeout', completed_at = NOW()
WHERE status = 'running' AND started_at < NOW() - INTERVAL '2 hours';`

const serveOnce = () => runKiln(['serve-scheduler', '--once', '--no-http', '--json'], options)

it('runs a job inserted by SQL for an analysis inserted by SQL', async () => {
  await sql(insertOneAnalysis)
  await sql(insertOneAnalysis)
  const { rows } = await sql(
    `select id, name, version from analyses where project_id = 'your-project-id' order by created_at`,
  )
  expect(rows).toMatchObject([
    { name: 'test-analysis', version: 1 },
    { name: 'test-analysis-2', version: 1 },
  ])
  const [analysis] = rows as { id: string }[]
  await sql(insertOneJob(analysis?.id ?? ''))

  const service = await serveOnce()
  expect(service.exitCode).toBe(0)
  expect(JSON.parse(service.stdout)).toEqual({ completed: 1, failed: 0, cancelled: 0 })

  const jobs = await sql(`select * from analysis_jobs where analysis_id = '${analysis?.id}'`)
  expect(jobs.rows).toMatchObject([
    {
      status: 'completed',
      result: { result: 'success' },
      parameters: { test: true },
      triggered_by: 'manual_test',
      version_number: 1,
      error_message: null,
    },
  ])
  const counts = await sql(
    `SELECT status, COUNT(*) FROM analysis_jobs WHERE created_at > NOW() - INTERVAL '1 hour' GROUP BY status;`,
  )
  expect(counts.rows).toEqual([{ status: 'completed', count: 1 }])
})

it('makes a version of a script changed by SQL, and runs it', async () => {
  const id = await insertAnalysis(test.context.database.pool, 'export default () => 1')
  await sql(`update analyses set script_content = 'export default () => 2' where id = '${id}'`)
  await sql(`update analyses set title = 'no change of the script', version = 9 where id = '${id}'`)
  const { rows } = await sql(
    `select version_number, script_content from analysis_versions where analysis_id = '${id}'
     order by version_number`,
  )
  expect(rows).toEqual([
    { version_number: 1, script_content: 'export default () => 1' },
    { version_number: 2, script_content: 'export default () => 2' },
  ])
  await expect(
    sql(`update analysis_versions set script_content = '' where analysis_id = '${id}'`),
  ).rejects.toThrow('a version of an analysis never changes')

  const oldJob = await insertJob(test.context.database.pool, id, { version_number: 1 })
  const newJob = await insertJob(test.context.database.pool, id)
  expect((await serveOnce()).exitCode).toBe(0)
  expect(await readJob(test.context.database.pool, oldJob)).toMatchObject({ result: 1 })
  expect(await readJob(test.context.database.pool, newJob)).toMatchObject({
    result: 2,
    version_number: 2,
  })
})

it.each([
  ['a loop that never yields', 'while (true) {}'],
  ['a wait that never ends', 'await new Promise(() => undefined)'],
  [
    'a query that runs long',
    'await ctx.duckdb.query("select sum(a.range * b.range) from range(1000000) a, range(1000000) b")',
  ],
])('stops %s when its row is cancelled, which stays so', async (_name, body) => {
  const { pool } = test.context.database
  const analysisId = await insertAnalysis(
    pool,
    `export default async (params, ctx) => { ctx.log('begun'); await ctx.metadata.get('sends the line'); ${body}; return 'late' }`,
  )
  const jobId = await insertJob(pool, analysisId)
  const service = startKiln(['serve-scheduler', '--once', '--no-http', '--json'], options)
  onTestFinished(() => service.kill('SIGKILL'))
  await waitUntil('the script runs', async () => {
    const { rows } = await pool.query('select from analysis_job_logs where job_id = $1', [jobId])
    return rows.length > 0
  })
  await sql(
    `update analysis_jobs set started_at = started_at - interval '3 hours' where id = '${jobId}'`,
  )
  expect((await sql(cancelStatement)).rowCount).toBe(1)
  const before = await readJob(pool, jobId)
  expect(before).toMatchObject({ status: 'cancelled', error_message: 'Cancelled due to timeout' })

  // With --once the service ends when nothing runs here any more.
  const { exitCode, stdout } = await service.exited
  expect(exitCode).toBe(0)
  expect(JSON.parse(stdout)).toEqual({ completed: 0, failed: 0, cancelled: 1 })
  const after = await readJob(pool, jobId)
  expect(after).toMatchObject({
    status: 'cancelled',
    result: null,
    error_code: 'cancelled',
    error_message: 'Cancelled due to timeout',
    completed_at: before.completed_at,
    logs: ['begun'],
    lease_token: null,
  })
  expect(await readAttempts(pool, jobId)).toEqual(['cancelled'])
})

it('deletes old results and old jobs with everything that hangs on them', async () => {
  const { pool } = test.context.database
  const analysisId = await insertAnalysis(pool)
  const old = { created_at: '2020-01-01T00:00:00Z', status: 'completed' }
  const oldJob = await insertJob(pool, analysisId, old)
  const oldChild = await insertJob(pool, analysisId, { ...old, parent_job_id: oldJob })
  const retry = await insertJob(pool, analysisId, { retry_of: oldJob, status: 'failed' })
  const unfinished = await insertJob(pool, analysisId, {
    created_at: '2020-01-01T00:00:00Z',
    run_at: '2999-01-01T00:00:00Z',
  })
  await sql(
    `insert into analysis_job_past_attempts (job_id, number, outcome) values ('${oldJob}', 1, 'completed')`,
  )
  await sql(
    `insert into analysis_job_logs (job_id, attempt, line_number, level, message) values ('${oldJob}', 1, 0, 'info', 'x')`,
  )
  for (const [jobId, createdAt] of [
    [oldJob, '2020-01-01'],
    [retry, '2999-01-01'],
  ]) {
    await sql(
      `insert into analysis_result_storage (job_id, storage_path, size_bytes, checksum, created_at)
       values ('${jobId}', 'results/${randomUUID()}', 1, '', '${createdAt}')`,
    )
  }
  const results = await sql(
    `DELETE FROM analysis_result_storage WHERE created_at < NOW() - INTERVAL '90 days';`,
  )
  expect(results.rowCount).toBe(1)
  await sql(
    `DELETE FROM analysis_jobs WHERE created_at < NOW() - INTERVAL '365 days' AND status IN ('completed', 'failed', 'cancelled');`,
  )
  const { rows } = await sql(
    `select id, retry_of from analysis_jobs where analysis_id = '${analysisId}' order by run_at`,
  )
  expect(rows).toEqual([
    { id: retry, retry_of: null },
    { id: unfinished, retry_of: null },
  ])
  const left = await sql(
    `select job_id from analysis_job_attempts where job_id in ('${oldJob}', '${oldChild}')
     union all select job_id from analysis_job_logs where job_id in ('${oldJob}', '${oldChild}')`,
  )
  expect(left.rows).toEqual([])
})

it('deletes jobs that ran, with their executors, logs and stored results', async () => {
  const { pool } = test.context.database
  const analysisId = await insertAnalysis(
    pool,
    'export default (p, ctx) => { ctx.log("a line"); return "x".repeat(300000) }',
  )
  const jobId = await insertJob(pool, analysisId)
  expect((await serveOnce()).exitCode).toBe(0)
  await sql(
    `update analysis_jobs set created_at = created_at - interval '2 years' where id = '${jobId}'`,
  )
  const stored = await sql(`select from analysis_result_storage where job_id = '${jobId}'`)
  expect(stored.rowCount).toBe(1)
  const deleted = await sql(
    `DELETE FROM analysis_jobs WHERE created_at < NOW() - INTERVAL '365 days' AND status IN ('completed', 'failed', 'cancelled');`,
  )
  expect(deleted.rowCount).toBe(1)
})

it('has room for the indexes of the runbook', async () => {
  await sql(
    `CREATE INDEX CONCURRENTLY idx_analysis_jobs_status_created ON analysis_jobs(status, created_at) WHERE status IN ('pending', 'running');`,
  )
  await sql(
    `CREATE INDEX CONCURRENTLY idx_analysis_schedules_next_run_enabled ON analysis_schedules(next_run_at) WHERE enabled = true;`,
  )
  const { rows } = await sql(
    `select bool_and(indisvalid) as valid, count(*) from pg_index
     where indexrelid::regclass::text in
       ('idx_analysis_jobs_status_created', 'idx_analysis_schedules_next_run_enabled')`,
  )
  expect(rows).toEqual([{ valid: true, count: 2 }])
})
