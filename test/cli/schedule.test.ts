import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { type JobCommands, openJobCommands } from '../support/job-commands.ts'
import type { KilnResult } from '../support/kiln.ts'
import { insertAnalysis } from '../support/queue.ts'
import { insertSchedule } from '../support/schedules.ts'

let commands: JobCommands
let analysisId: string
beforeAll(async () => {
  commands = await openJobCommands()
})
afterAll(() => commands.close())
beforeEach(async () => {
  await commands.sql('truncate projects, analysis_audit_log cascade')
  analysisId = await insertAnalysis(commands.core.context.database.pool, undefined, {
    title: 'birds',
  })
})

const schedule = (...args: readonly string[]): Promise<KilnResult> =>
  commands.run(['schedule', ...args])
async function json(...args: readonly string[]): Promise<Record<string, unknown>> {
  const { exitCode, stdout, stderr } = await schedule(...args, '--json')
  expect({ exitCode, stderr }).toMatchObject({ exitCode: 0 })
  return JSON.parse(stdout) as Record<string, unknown>
}
const add = (columns: Readonly<Record<string, unknown>> = {}): Promise<string> =>
  insertSchedule(commands.core.context.database.pool, analysisId, columns)
const actions = async (): Promise<unknown[]> =>
  (await commands.sql('select action from analysis_audit_log order by id')).map((row) => row.action)

describe('kiln schedule set', () => {
  it('makes a schedule, changes it, and says what may not be meant', async () => {
    const rule = ['--cron', '30 2 13 * FRI', '--tz', 'America/New_York']
    const made = await schedule('set', 'birds', ...rule, '--json')
    expect(made.exitCode).toBe(0)
    expect(made.stderr).toContain('warning: day of month and day of week are both given')
    const first = JSON.parse(made.stdout)
    expect(first).toMatchObject({
      is_new: true,
      analysis_name: 'birds',
      cron_expression: '30 2 13 * FRI',
      timezone: 'America/New_York',
      enabled: true,
      missed_policy: 'once',
      overlap_policy: 'skip',
      origin: 'operator',
      description: 'At 02:30, on day 13 of the month; also at 02:30, only on Friday',
      warnings: [{ code: 'both_days' }],
    })
    expect(Date.parse(first.next_run_at)).toBeGreaterThan(Date.now())

    const changed = await json('set', 'birds', '--cron', '0 6 * * *', '--missed', 'all')
    expect(changed).toMatchObject({
      id: first.id,
      is_new: false,
      cron_expression: '0 6 * * *',
      timezone: 'America/New_York',
      missed_policy: 'all',
      revision: 2,
      warnings: [],
    })
    expect(changed.next_run_at).not.toBe(first.next_run_at)
    expect(await actions()).toEqual(['schedule.set', 'schedule.set'])
  })

  it('adds another only when asked', async () => {
    const first = await json('set', 'birds', '--cron', '@daily')
    const second = await json('set', 'birds', '--cron', '@weekly', '--add', '--disabled')
    expect(second).toMatchObject({ is_new: true, enabled: false, next_run_at: null })
    const ambiguous = await schedule('set', 'birds', '--missed', 'skip')
    expect(ambiguous.exitCode).toBe(64)
    expect(ambiguous.stderr).toContain(String(first.id))
    expect(await json('set', String(second.id), '--jitter', '10m')).toMatchObject({
      id: second.id,
      jitter_ms: 600_000,
    })
  })

  it('refuses what cannot fire or run', async () => {
    const refused = async (...args: readonly string[]): Promise<readonly [unknown, unknown]> => {
      const { exitCode, stderr } = await schedule('set', ...args)
      return [exitCode, /\[(\w+)\]/.exec(stderr)?.[1]]
    }
    expect(await refused('birds', '--cron', '0 0 31 2 *')).toEqual([65, 'CRON_INVALID'])
    expect(await refused('birds', '--cron', '@daily', '--tz', 'Mars/Phobos')).toEqual([
      65,
      'TIMEZONE_INVALID',
    ])
    expect(await refused('birds', '--missed', 'all')).toEqual([64, 'USAGE'])
    expect(await refused('nobirds', '--cron', '@daily')).toEqual([66, 'ANALYSIS_NOT_FOUND'])
    expect(await commands.sql('select id from analysis_schedules')).toEqual([])
    expect((await schedule('set')).stderr).toContain('error: missing ANALYSIS [USAGE]')
  })

  it('checks parameters against what the script declares', async () => {
    const file = await commands.script(
      'declared.js',
      `export default { parameters: { top: { type: 'integer' } }, run: (ctx, p) => p.top }`,
    )
    const created = await commands.run(['analysis', 'create', file, '--name', 'declared'])
    expect(created.exitCode).toBe(0)
    const rule = ['set', 'declared', '--cron', '@daily']
    expect(await json(...rule, '-p', 'top=5')).toMatchObject({ parameters: { top: 5 } })
    expect((await schedule(...rule, '-p', 'bottom=5')).stderr).toContain('PARAMETER_INVALID')
  })
})

describe('kiln schedule list, show and next', () => {
  it('show rows that psql made', async () => {
    const id = await add({ cron_expression: '0 6 * * MON', timezone: 'Europe/Berlin' })
    await add({ enabled: false })
    expect((await schedule('list', '-o', 'name')).stdout.trim().split('\n')).toHaveLength(2)
    expect((await schedule('list', '--enabled', '-o', 'name')).stdout.trim()).toBe(id)
    expect((await schedule('list')).stdout).toMatch(/0 6 \* \* MON +Europe\/Berlin +on/)
    const first = await json('list', '--limit', '1')
    const second = await json('list', '--limit', '1', '--cursor', String(first.next_cursor))
    expect([first.items, second.items].flat()).toHaveLength(2)
    expect(second.next_cursor).toBeNull()
    expect((await schedule('show', id)).stdout).toContain('At 06:00, only on Monday')
    expect(
      (await schedule('next', id, '-n', '3', '-o', 'name')).stdout.trim().split('\n'),
    ).toHaveLength(3)
  })

  it('show a rule that cannot be followed with its error', async () => {
    const id = await add({ cron_expression: 'whenever', rule_error: 'it has 1 field' })
    const { stdout } = await schedule('show', id)
    expect(stdout).toContain('on, but its rule cannot be followed: it has 1 field')
    expect((await schedule('list')).stdout).toContain('rule error')
  })

  it('say when there is no schedule', async () => {
    const { exitCode, stderr } = await schedule('show', 'birds')
    expect(exitCode).toBe(66)
    expect(stderr).toContain('the analysis "birds" has no schedule')
    const unknown = await schedule('show', '00000000-0000-0000-0000-000000000000')
    expect(unknown.exitCode).toBe(66)
    expect(unknown.stderr).toContain('there is no schedule or analysis 0000')
  })
})

describe('kiln schedule disable, enable and delete', () => {
  it('keep the reason, and go on from now', async () => {
    await add({ next_run_at: '2026-01-01T06:00:00Z' })
    expect(await json('disable', 'birds', '--reason', 'source is down')).toMatchObject({
      enabled: false,
      pause_reason: 'source is down',
      next_run_at: '2026-01-01T06:00:00Z',
    })
    const enabled = await json('enable', 'birds')
    expect(enabled).toMatchObject({ enabled: true, pause_reason: null })
    expect(Date.parse(String(enabled.next_run_at))).toBeGreaterThan(Date.now())
    expect(await actions()).toEqual(['schedule.disable', 'schedule.enable'])
  })

  it('catch up when asked', async () => {
    await add({ next_run_at: '2026-01-01T06:00:00Z' })
    await schedule('disable', 'birds')
    expect(await json('enable', 'birds', '--catch-up')).toMatchObject({
      next_run_at: '2026-01-01T06:00:00Z',
    })
  })

  it('delete the schedule and keep its jobs', async () => {
    const id = await add()
    const job = await commands.add({ analysis_id: analysisId, schedule_id: id })
    expect(await json('delete', 'birds')).toMatchObject({ id, deleted: true })
    expect(
      await commands.sql('select schedule_id from analysis_jobs where id = $1', [job]),
    ).toEqual([{ schedule_id: null }])
    expect((await schedule('delete', 'birds')).exitCode).toBe(66)
  })
})

describe('kiln schedule trigger, history, missed and backfill', () => {
  it('queue a run beside the occurrences', async () => {
    const id = await add({ parameters: { a: 1 }, enabled: false })
    const { job_id: job } = await json('trigger', 'birds')
    expect(
      await commands.sql(
        'select schedule_id, scheduled_for, parameters, status from analysis_jobs where id = $1',
        [job],
      ),
    ).toEqual([{ schedule_id: id, scheduled_for: null, parameters: { a: 1 }, status: 'pending' }])
  })

  it('tell each decision with its job, latest first', async () => {
    const id = await add()
    const job = await commands.add({ analysis_id: analysisId, status: 'failed' })
    await commands.sql(
      `insert into analysis_schedule_occurrences
         (schedule_id, scheduled_for, decision, reason, missed_count, job_id)
       values ($1, now() - interval '2 hours', 'fired', null, 0, $2),
         ($1, now() - interval '1 hour', 'skipped', 'job x has not ended', 0, null)`,
      [id, job],
    )
    const { items } = await json('history', 'birds')
    expect(items).toMatchObject([
      { decision: 'skipped', reason: 'job x has not ended', job_id: null },
      { decision: 'fired', job_id: job, job_status: 'failed' },
    ])
    const page = await json('history', 'birds', '--limit', '1')
    const rest = await json('history', 'birds', '--cursor', String(page.next_cursor))
    expect(rest.items).toMatchObject([{ decision: 'fired' }])
    expect((await json('missed')).items).toMatchObject([
      { decision: 'skipped', analysis_name: 'birds' },
    ])
  })

  it('backfill what has had no run, once', async () => {
    const id = await add({ timezone: 'Europe/Berlin' })
    await commands.sql(
      `insert into analysis_schedule_occurrences (schedule_id, scheduled_for, decision, reason)
       values ($1, '2026-01-02T05:00Z', 'fired', null),
         ($1, '2026-01-03T05:00Z', 'missed', 'nobody fired it')`,
      [id],
    )
    const range = ['birds', '--from', '2026-01-01T05:00:00Z', '--to', '2026-01-05T05:00:00Z']
    expect(await json('backfill', ...range, '--dry-run')).toMatchObject({ jobs: 3, existing: 1 })
    expect(await commands.sql('select id from analysis_jobs')).toEqual([])
    expect((await schedule('backfill', ...range, '--max', '2')).exitCode).toBe(64)
    const done = await json('backfill', ...range)
    expect(done).toMatchObject({ jobs: 3, existing: 1 })
    expect((done.items as { outcome: string }[]).map(({ outcome }) => outcome)).toEqual([
      'backfilled',
      'exists',
      'backfilled',
      'backfilled',
    ])
    expect(
      await commands.sql(
        `select scheduled_for, triggered_by, priority, schedule_timezone
         from analysis_jobs order by scheduled_for limit 1`,
      ),
    ).toEqual([
      {
        scheduled_for: '2026-01-01T05:00:00Z',
        triggered_by: 'backfill',
        priority: -10,
        schedule_timezone: 'Europe/Berlin',
      },
    ])
    expect(
      await commands.sql(
        `select decision, reason from analysis_schedule_occurrences
         where scheduled_for = '2026-01-03T05:00Z'`,
      ),
    ).toEqual([{ decision: 'backfilled', reason: 'was missed: nobody fired it' }])
    expect(await json('backfill', ...range)).toMatchObject({ jobs: 0, existing: 4 })
    expect(await actions()).toEqual(['schedule.backfill'])
  })

  it('refuse a range of the future', async () => {
    await add()
    const { exitCode } = await schedule('backfill', 'birds', '--from', '2999-01-01')
    expect(exitCode).toBe(64)
  })
})

describe('a service', () => {
  it('fires and runs, with relative dates of the occurrence in the zone of the schedule', async () => {
    const file = await commands.script(
      'dated.js',
      `export default {
        parameters: { day: { type: 'date', default: 'today' } },
        run: (ctx, p) => [p.day, ctx.now],
      }`,
    )
    await commands.run(['analysis', 'create', file, '--name', 'dated'])
    await schedule('set', 'dated', '--cron', '30 23 * * *', '--tz', 'Pacific/Auckland')
    // 23:30 of the day before in Auckland, and already missed by far: it runs for that day.
    await commands.sql(
      `update analysis_schedules
       set next_run_at = '2026-01-01T10:30Z', catch_up_window_ms = 400::bigint * 365 * 86400000,
         missed_policy = 'all', cron_expression = '30 23 1 1 *'`,
    )
    const { exitCode } = await commands.run(['serve-scheduler', '--once', '--no-http'])
    expect(exitCode).toBe(0)
    expect(
      await commands.sql(
        `select status, result from analysis_jobs where triggered_by = 'schedule'`,
      ),
    ).toEqual([{ status: 'completed', result: ['2026-01-01', '2026-01-01T10:30:00Z'] }])
  })

  it('fires nothing with --no-schedules', async () => {
    await add({ next_run_at: '2026-01-01T06:00:00Z' })
    await commands.run(['serve-scheduler', '--once', '--no-http', '--no-schedules'])
    expect(await commands.sql('select id from analysis_jobs')).toEqual([])
  })
})
