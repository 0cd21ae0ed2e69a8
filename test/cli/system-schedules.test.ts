import { afterAll, beforeAll, expect, it } from 'vitest'
import { type JobCommands, openJobCommands } from '../support/job-commands.ts'
import type { RunningKiln } from '../support/kiln.ts'
import { waitUntil } from '../support/wait-until.ts'

let commands: JobCommands
let service: RunningKiln
beforeAll(async () => {
  commands = await openJobCommands()
  service = commands.start(['serve-scheduler', '--no-executor', '--port', '0'], {
    env: { AGGREGATION_SCHEDULE: '0 3 * * *', SCHEDULE_TIMEZONE: 'Europe/Berlin' },
  })
  await waitUntil('it is made', async () => (await tasks()).length > 0)
})
afterAll(() => commands.close())

const tasks = () => commands.sql('select * from analysis_tasks')
async function json(...args: readonly string[]): Promise<Record<string, unknown>> {
  const { exitCode, stdout, stderr } = await commands.run(['schedule', ...args, '--json'])
  expect({ exitCode, stderr }).toMatchObject({ exitCode: 0 })
  return JSON.parse(stdout) as Record<string, unknown>
}

it('runs a task of a setting, and shows it as one of its own', async () => {
  await commands.sql(
    `insert into analysis_jobs (analysis_id, status, created_at, completed_at, execution_time_ms)
     values ($1, 'completed', now() - interval '3 days', now() - interval '3 days', 120)`,
    [commands.analysisId],
  )
  const { items } = await json('list')
  expect(items).toMatchObject([
    {
      system: true,
      task: 'statistics',
      analysis_id: null,
      origin: 'system',
      cron_expression: '0 3 * * *',
      timezone: 'Europe/Berlin',
      attended: true,
    },
  ])
  await commands.sql(`update analysis_schedules set next_run_at = date_trunc('second', now())`)
  const [occurrence] = await waitUntil('it has run', async () => {
    const history = (await json('history', 'system:statistics')).items as {
      task_status: string | null
    }[]
    return history[0]?.task_status === 'completed' ? history : undefined
  })
  expect(occurrence).toMatchObject({
    decision: 'fired',
    task: 'statistics',
    job_status: null,
    duration_ms: expect.any(Number),
    error: null,
  })
  expect(await json('show', 'system:statistics')).toMatchObject({
    completed_runs: 1,
    failed_runs: 0,
    runs: [{ status: 'completed', attempt: 1, details: { rows: 1 } }],
  })
  const stats = await commands.run(['job', 'stats', '--daily', '--json'])
  expect(JSON.parse(stats.stdout)).toMatchObject({
    items: [{ total: 1, completed: 1, success_rate: 1, duration_p50_ms: 120 }],
    next_cursor: null,
  })
})

it('leaves its rule to the setting', async () => {
  for (const args of [['set', '--cron', '@hourly'], ['delete'], ['backfill', '--from', '2d']]) {
    const [verb = '', ...flags] = args
    const refused = await commands.run(['schedule', verb, 'system:statistics', ...flags])
    expect(refused).toMatchObject({ exitCode: 64 })
    expect(refused.stderr).toContain('change the setting')
  }
})

it('says that nobody runs it once its service has ended', async () => {
  service.kill('SIGTERM')
  await service.exited
  const { items } = await json('list', '--system')
  expect(items).toMatchObject([{ attended: false }])
  const refused = await commands.run(['schedule', 'trigger', 'system:statistics'])
  expect(refused).toMatchObject({ exitCode: 75 })
})

it('does not start with a rule that cannot be followed', async () => {
  const { exitCode, stderr } = await commands.run(['serve-scheduler', '--once', '--no-http'], {
    env: { AGGREGATION_SCHEDULE: '0 0 31 2 *' },
  })
  expect({ exitCode, stderr }).toMatchObject({ exitCode: 78 })
  expect(stderr).toContain('AGGREGATION_SCHEDULE: cron expression')
})
