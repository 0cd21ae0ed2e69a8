/** Instances that die in the middle of firing: real ones, by SIGKILL. */
import { afterAll, beforeAll, expect, it, onTestFinished } from 'vitest'
import { type TestContext, openTestContext } from '../support/core-context.ts'
import { type RunningKiln, startKiln } from '../support/kiln.ts'
import { insertAnalysis } from '../support/queue.ts'
import { waitUntil } from '../support/wait-until.ts'

let core: TestContext
beforeAll(async () => {
  core = await openTestContext()
})
afterAll(() => core.close())

const pool = () => core.context.database.pool
const count = async (statement: string): Promise<number> =>
  (await pool().query<{ n: number }>(statement)).rows[0]?.n ?? 0

function startScheduler(): RunningKiln {
  const kiln = startKiln(['serve-scheduler', '--no-executor', '--port', '0'], {
    env: {
      DATABASE_URL: core.database.connectionString,
      ANALYSIS_DATA_DIR: core.context.settings.dataDir,
    },
  })
  onTestFinished(async () => {
    kiln.kill('SIGKILL')
    await kiln.exited
  })
  return kiln
}

it('fires 20,000 due schedules once each with four instances, one of which is killed', async () => {
  const schedulers = [1, 2, 3, 4].map(startScheduler)
  for (const scheduler of schedulers) await scheduler.waitForOutput(/HTTP listens/)
  await pool().query(
    `insert into analysis_schedules (analysis_id, cron_expression, next_run_at)
     select $1, '30 6 * * *', now()
     from generate_series(1, 20000)`,
    [await insertAnalysis(pool())],
  )
  await waitUntil('some were fired', () => count('select count(*)::int as n from analysis_jobs'))
  schedulers[0]?.kill('SIGKILL')
  await waitUntil(
    'none is due',
    async () =>
      (await count(
        'select count(*)::int as n from analysis_schedules where next_run_at <= now()',
      )) === 0,
    60_000,
  )
  const { rows } = await pool().query(
    `select count(*) as jobs, count(distinct schedule_id) as schedules,
       (select count(*) from analysis_schedule_occurrences where decision = 'fired') as occurrences,
       (select count(*) from analysis_schedules where next_run_at is null) as unplanned
     from analysis_jobs`,
  )
  expect(rows).toEqual([{ jobs: 20_000, schedules: 20_000, occurrences: 20_000, unplanned: 0 }])
})
