import { spawnSync } from 'node:child_process'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { createMetrics } from '../../../src/core/metrics/create-metrics.ts'
import { statisticsQuery } from '../../../src/core/metrics/read-statistics.ts'
import { type Statistics, readStatistics } from '../../../src/core/metrics/index.ts'
import { type TestContext, openTestContext } from '../../support/core-context.ts'
import { type MetricFamily, parseMetrics } from '../../support/parse-metrics.ts'

const hasPromtool = spawnSync('promtool', ['--version']).status === 0
if (!hasPromtool) console.log('skipped: promtool is not installed (Debian package prometheus)')

let suite: TestContext
beforeAll(async () => {
  suite = await openTestContext()
})
afterAll(() => suite.close())
beforeEach(async () => {
  await suite.context.database.pool.query(
    'truncate analyses, analysis_counters, analysis_backups cascade',
  )
})

const query = (text: string) => suite.context.database.pool.query(text)

function render(
  read: () => Promise<Statistics> = () => readStatistics(suite.context.database.queries),
): Promise<string> {
  return createMetrics({
    readStatistics: read,
    pool: () => ({ used: 1, idle: 2, waiting: 3 }),
    slots: () => ({ used: 4, free: 5 }),
  }).render()
}

const sample = (families: Map<string, MetricFamily>, series: string): number | undefined =>
  families.get(series.split(/[{]|_bucket|_sum$|_count$/)[0] ?? '')?.samples.get(series)

/** Jobs in every state, counters, a stored result, an overdue schedule and a backup. */
async function fill(): Promise<void> {
  await query(`
    insert into analyses (title, script_content, project_id)
    values ('a', 'export default () => 1', 'p')`)
  // Read, or its jobs would wait for the first to read it.
  await query(`update analysis_versions set definition = '{}'`)
  await query(`
    insert into analysis_jobs (analysis_id, status, ready, run_at, started_at, completed_at)
    select analyses.id, job.status, job.ready, job.run_at, job.at, job.at
    from analyses, (values
      ('pending', true, now() - interval '100 seconds', null),
      ('pending', true, now() - interval '10 seconds', null),
      ('pending', true, now() + interval '1 hour', null),
      ('pending', false, now() - interval '1 hour', null),
      ('running', true, now(), now()),
      ('completed', true, now(), now())
    ) as job (status, ready, run_at, at)`)
  await query(`
    insert into analysis_result_storage (job_id, storage_path, size_bytes, checksum)
    select id, 'results/x', 1500000, 'x' from analysis_jobs where status = 'completed'`)
  await query(`
    insert into analysis_counters (name, value)
    values ('jobs_completed', 7), ('jobs_failed', 2),
      ('job_duration_seconds_bucket:30', 3), ('job_duration_seconds_sum', 61.5)`)
  await query(`
    insert into analysis_schedules (analysis_id, cron_expression, next_run_at)
    select id, '* * * * *', now() - interval '5 seconds' from analyses`)
  await query(`
    insert into analysis_backups
      (id, repository, kind, status, created_at, finished_at, size_bytes, verified_at, verified_ok)
    values
      ('old', '/r', 'daily', 'complete', '2025-01-01T00:00:00Z', '2025-01-01T01:00:00Z', 9000,
        '2025-01-02T00:00:00Z', true),
      ('a', '/r', 'daily', 'complete', '2025-12-31T23:59:30Z', '2026-01-01T00:00:00Z', 4096,
        '2026-01-02T00:00:00Z', false),
      ('b', '/r', 'daily', 'partial', '2026-02-01T00:00:00Z', '2026-02-01T00:00:00Z', 1, null, null)`)
}

describe('the text of the metrics', () => {
  test('says what the database knows', async () => {
    await fill()
    const families = parseMetrics(await render())
    expect(Object.fromEntries(families.get('analysis_jobs_total')?.samples ?? [])).toEqual({
      'analysis_jobs_total{status="completed"}': 7,
      'analysis_jobs_total{status="failed"}': 2,
      'analysis_jobs_total{status="cancelled"}': 0,
    })
    expect(Object.fromEntries(families.get('analysis_queue_jobs')?.samples ?? [])).toEqual({
      'analysis_queue_jobs{state="due"}': 2,
      'analysis_queue_jobs{state="scheduled"}': 1,
      'analysis_queue_jobs{state="waiting"}': 1,
      'analysis_queue_jobs{state="running"}': 1,
    })
    expect(sample(families, 'analysis_queue_oldest_pending_age_seconds')).toBeGreaterThanOrEqual(
      100,
    )
    expect(sample(families, 'analysis_schedule_lag_seconds')).toBeGreaterThanOrEqual(5)
    expect(sample(families, 'analysis_task_last_success_timestamp_seconds{task="backup"}')).toBe(
      Date.parse('2026-01-01T00:00:00Z') / 1000,
    )
    expect(sample(families, 'analysis_backup_size_bytes')).toBe(4096)
    expect(sample(families, 'analysis_backup_duration_seconds')).toBe(30)
    expect(sample(families, 'analysis_backup_verified_timestamp_seconds')).toBe(
      Date.parse('2025-01-02T00:00:00Z') / 1000,
    )
    const duration = 'analysis_execution_duration_seconds'
    expect(sample(families, `${duration}_bucket{le="10"}`)).toBe(0)
    for (const bound of ['30', '300', '1800', '+Inf']) {
      expect(sample(families, `${duration}_bucket{le="${bound}"}`)).toBe(3)
    }
    expect(sample(families, `${duration}_sum`)).toBe(61.5)
  })

  test('says what the process knows', async () => {
    const families = parseMetrics(await render())
    expect(sample(families, 'db_pool_connections{state="waiting"}')).toBe(3)
    expect(sample(families, 'analysis_sandbox_slots{state="free"}')).toBe(5)
    expect(sample(families, 'analysis_memory_usage_bytes{process="service"}')).toBeGreaterThan(1e6)
    expect(families.has('process_cpu_seconds_total')).toBe(true)
  })

  test('has every name that dashboards use, with its type', async () => {
    await fill()
    const families = parseMetrics(await render())
    const types = Object.fromEntries([...families].map(([name, { type }]) => [name, type]))
    expect(types).toMatchObject({
      analysis_jobs_total: 'counter',
      analysis_execution_duration_seconds: 'histogram',
      analysis_memory_usage_bytes: 'gauge',
      analysis_queue_jobs: 'gauge',
      analysis_queue_oldest_pending_age_seconds: 'gauge',
      analysis_job_wait_seconds: 'histogram',
      analysis_claim_duration_seconds: 'histogram',
      analysis_sandbox_slots: 'gauge',
      analysis_schedule_lag_seconds: 'gauge',
      analysis_task_last_success_timestamp_seconds: 'gauge',
      db_pool_connections: 'gauge',
    })
  })

  test('an empty queue has no age and no lag, nor has a task that no service takes part in', async () => {
    await query(`
      with schedule as (
        insert into analysis_schedules (cron_expression, origin, next_run_at)
        values ('0 3 * * *', 'system', now() - interval '1 day')
        returning id
      )
      insert into analysis_tasks (schedule_id, task, attended_at)
      select id, 'probe', now() - interval '1 hour'
      from schedule`)
    const families = parseMetrics(await render())
    expect(sample(families, 'analysis_queue_oldest_pending_age_seconds')).toBe(0)
    expect(sample(families, 'analysis_schedule_lag_seconds')).toBe(0)
  })

  test('without the database keeps what the process knows', async () => {
    const text = await render(() => Promise.reject(new Error('away')))
    const families = parseMetrics(text)
    expect(families.has('db_pool_connections')).toBe(true)
    expect(families.has('analysis_jobs_total')).toBe(false)
  })

  test.skipIf(!hasPromtool)('passes promtool', async () => {
    await fill()
    const { status, stdout, stderr } = spawnSync('promtool', ['check', 'metrics'], {
      input: await render(),
      encoding: 'utf8',
    })
    expect(`${stdout}${stderr}`).toBe('')
    expect(status).toBe(0)
  })
})

test('reading the statistics touches no finished job', async () => {
  await query(`
    insert into analyses (title, script_content, project_id)
    values ('a', 'export default () => 1', 'p')`)
  // Read, or its jobs would wait for the first to read it.
  await query(`update analysis_versions set definition = '{}'`)
  await query(`
    insert into analysis_jobs (analysis_id, status, completed_at)
    select analyses.id, 'completed', now() from analyses, generate_series(1, 100000)`)
  await query('vacuum analyze analysis_jobs')
  const { pool, queries } = suite.context.database
  const { rows } = await pool.query<{ 'QUERY PLAN': string }>(
    `explain ${statisticsQuery.compile(queries).sql}`,
  )
  const plan = rows.map((row) => row['QUERY PLAN']).join('\n')
  expect(plan).not.toContain('Seq Scan on analysis_jobs')
})
