import { Kysely, PostgresDialect } from 'kysely'
import { afterAll, beforeAll, expect, it } from 'vitest'
import type { DB, Queries } from '../../../src/core/database/index.ts'
import { findActiveRuns, findFailingSchedules } from '../../../src/core/schedules/active-runs.ts'
import { lockDueSchedules } from '../../../src/core/schedules/due-schedule.ts'
import { lookAtSchedules } from '../../../src/core/schedules/index.ts'
import { type TestContext, openTestContext } from '../../support/core-context.ts'
import { insertAnalysis } from '../../support/queue.ts'

let core: TestContext
beforeAll(async () => {
  core = await openTestContext()
  const { pool } = core.context.database
  const analysisId = await insertAnalysis(pool)
  await pool.query(
    `insert into analysis_schedules (analysis_id, cron_expression, enabled, next_run_at)
     select $1, '0 6 * * *', i % 10 > 0, now() + make_interval(mins => i)
     from generate_series(-5, 20000) i`,
    [analysisId],
  )
  await pool.query(
    `insert into analysis_jobs (analysis_id, schedule_id, scheduled_for, status, triggered_by)
     select $1, schedule.id, now() - make_interval(days => i), 'completed', 'schedule'
     from (select id from analysis_schedules limit 200) schedule, generate_series(1, 500) i`,
    [analysisId],
  )
  await pool.query('analyze')
})
afterAll(() => core.close())

/** The plan of the statement that `ask` sends. */
async function planOf(ask: (queries: Queries) => Promise<unknown>): Promise<string> {
  const { pool } = core.context.database
  const sent: { sql: string; parameters: readonly unknown[] }[] = []
  const watched = new Kysely<DB>({
    dialect: new PostgresDialect({ pool }),
    log: ({ query }) => void sent.push(query),
  })
  await ask(watched)
  const { rows } = await pool.query<{ 'QUERY PLAN': string }>(
    `explain (costs off) ${sent[0]?.sql}`,
    sent[0]?.parameters as unknown[],
  )
  return rows.map((row) => row['QUERY PLAN']).join('\n')
}

const someIds = async (): Promise<string[]> => {
  const { rows } = await core.context.database.pool.query<{ id: string }>(
    'select id from analysis_schedules limit 50',
  )
  return rows.map(({ id }) => id)
}

it('finds what is due by the index, however many schedules there are', async () => {
  const plan = await planOf((queries) =>
    lockDueSchedules(queries, { limit: 500, now: null, taskIds: [] }),
  )
  expect(plan).toContain('using kiln_analysis_schedules_due')
  expect(plan).not.toMatch(/Seq Scan on analysis_schedules|\bSort\b/)
})

it('looks ahead without reading the table', async () => {
  const plan = await planOf((queries) =>
    lookAtSchedules({ database: { ...core.context.database, queries } }),
  )
  expect(plan).toContain('using kiln_analysis_schedules_due')
  expect(plan).not.toContain('Seq Scan on analysis_schedules')
})

it('finds runs that have not ended without reading those that have', async () => {
  const ids = await someIds()
  const active = await planOf((queries) => findActiveRuns(queries, ids))
  expect(active).toContain('analysis_jobs_pkey')
  expect(active).not.toContain('Seq Scan on analysis_jobs')
  const failing = await planOf((queries) => findFailingSchedules(queries, ids))
  expect(failing).toContain('kiln_analysis_jobs_schedule')
  expect(failing).not.toContain('Seq Scan on analysis_jobs')
})
