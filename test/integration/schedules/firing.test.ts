import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { fireDueSchedules, planNextRuns } from '../../../src/core/schedules/index.ts'
import { setAsideFirstDue } from '../../../src/core/schedules/due-schedule.ts'
import { type TestContext, openTestContext } from '../../support/core-context.ts'
import { insertAnalysis, insertJob } from '../../support/queue.ts'
import { insertSchedule, readOccurrences, readSchedule } from '../../support/schedules.ts'

let core: TestContext
let analysisId: string
beforeAll(async () => {
  core = await openTestContext()
})
afterAll(() => core.close())
beforeEach(async () => {
  await core.context.database.pool.query('truncate projects cascade')
  analysisId = await insertAnalysis(core.context.database.pool)
})

const pool = () => core.context.database.pool
/** The database's clock stands where the test says. */
const fireAt = (now: string) => fireDueSchedules(core.context, { now })
const planAt = (now: string) => planNextRuns(core.context, { now })
const add = (columns: Readonly<Record<string, unknown>> = {}) =>
  insertSchedule(pool(), analysisId, { next_run_at: '2027-01-01T06:00:00Z', ...columns })
/** `06:00 fired pending`: time of the occurrence, decision, status of its job. */
const history = async (id: string): Promise<string[]> =>
  (await readOccurrences(pool(), id)).map(({ scheduled_for, decision, status, missed_count }) =>
    [
      scheduled_for.slice(8, 16),
      decision,
      ...(status === null ? [] : [status]),
      ...(missed_count > 0 ? [`+${missed_count}`] : []),
    ].join(' '),
  )
const endJobs = (status = 'completed', where = 'true') =>
  pool().query(
    `update analysis_jobs set status = '${status}', completed_at = now()
     where status in ('pending', 'running') and ready and ${where}`,
  )

describe('a due schedule', () => {
  it('gets a job with its parameters, its occurrence and its zone, and moves on', async () => {
    const id = await add({
      cron_expression: '0 6 * * *',
      timezone: 'Europe/Berlin',
      parameters: { top: 5 },
      next_run_at: '2027-01-01T05:00:00Z',
    })
    expect(await fireAt('2027-01-01T05:00:00.5Z')).toMatchObject({ schedules: 1, jobs: 1 })
    const { rows } = await pool().query('select * from analysis_jobs')
    expect(rows).toMatchObject([
      {
        analysis_id: analysisId,
        status: 'pending',
        ready: true,
        parameters: { top: 5 },
        triggered_by: 'schedule',
        schedule_id: id,
        scheduled_for: '2027-01-01T05:00:00Z',
        schedule_timezone: 'Europe/Berlin',
        run_at: '2027-01-01T05:00:00Z',
      },
    ])
    expect(await readSchedule(pool(), id)).toMatchObject({
      next_run_at: '2027-01-02T05:00:00Z',
      last_scheduled_for: '2027-01-01T05:00:00Z',
      last_decision: 'fired',
    })
    expect(await readOccurrences(pool(), id)).toMatchObject([{ job_id: rows[0].id }])
    expect(await fireAt('2027-01-01T05:00:01Z')).toMatchObject({ schedules: 0 })
  })

  it('fires once however many try at the same time', async () => {
    for (let count = 0; count < 200; count += 1) await add()
    const tries = Array.from({ length: 5 }, () =>
      fireDueSchedules(core.context, { now: '2027-01-01T06:00:01Z', limit: 90 }),
    )
    const fired = (await Promise.all(tries)).reduce((sum, { jobs }) => sum + jobs, 0)
    const rest = await fireAt('2027-01-01T06:00:02Z')
    expect(fired + rest.jobs).toBe(200)
    const { rows } = await pool().query(
      'select count(*) as jobs, count(distinct schedule_id) as schedules from analysis_jobs',
    )
    expect(rows).toEqual([{ jobs: 200, schedules: 200 }])
  })

  it('does nothing by halves: what fails leaves all as it was', async () => {
    const id = await add()
    await pool().query(
      `alter table analysis_jobs add constraint refused check (schedule_id is null)`,
    )
    await expect(fireAt('2027-01-01T06:00:01Z')).rejects.toThrow('refused')
    expect(await history(id)).toEqual([])
    expect(await readSchedule(pool(), id)).toMatchObject({ next_run_at: '2027-01-01T06:00:00Z' })
    await pool().query('alter table analysis_jobs drop constraint refused')
  })

  it('of a disabled analysis is skipped with the reason', async () => {
    const id = await add()
    await pool().query('update analyses set is_active = false')
    await fireAt('2027-01-01T06:00:01Z')
    expect(await history(id)).toEqual(['01T06:00 skipped'])
    expect((await readSchedule(pool(), id)).last_decision).toBe(
      'skipped: the analysis "test" is disabled',
    )
  })

  it('starts later by its jitter', async () => {
    const id = await add({ jitter_ms: 600_000 })
    await fireAt('2027-01-01T06:00:01Z')
    const [occurrence] = await readOccurrences(pool(), id)
    expect(occurrence?.scheduled_for).toBe('2027-01-01T06:00:00Z')
    expect(Date.parse(occurrence?.run_at ?? '')).toBeGreaterThan(Date.parse('2027-01-01T06:00Z'))
  })
})

describe('an outage', () => {
  // The window of 40 hours ends between the second and the third of four.
  it.each([
    ['once', ['04T06:00 fired pending +4']],
    ['skip', ['04T06:00 missed +4']],
    ['all', ['02T06:00 missed +2', '03T06:00 fired pending +1', '04T06:00 fired pending +1']],
  ])('of three days under policy %s', async (missed_policy, expected) => {
    const id = await add({ missed_policy, catch_up_window_ms: 40 * 3_600_000 })
    await fireAt('2027-01-04T18:00:00Z')
    expect(await history(id)).toEqual(expected)
    expect((await readSchedule(pool(), id)).next_run_at).toBe('2027-01-05T06:00:00Z')
  })

  it('records from when on runs were missed', async () => {
    const id = await add()
    await fireAt('2027-01-03T18:00:00Z')
    expect(await readOccurrences(pool(), id)).toMatchObject([
      { missed_count: 3, missed_from: '2027-01-01T06:00:00Z', reason: 'for 3 missed' },
    ])
  })
})

describe('the clock of the database', () => {
  const hourly = { cron_expression: '0 * * * *', overlap_policy: 'allow' }

  it('stepped ahead by two hours and back fires each occurrence once', async () => {
    const id = await add({ ...hourly, missed_policy: 'all' })
    await fireAt('2027-01-01T06:00:01Z')
    await fireAt('2027-01-01T08:00:02Z')
    await fireAt('2027-01-01T06:30:00Z')
    await fireAt('2027-01-01T07:00:01Z')
    await fireAt('2027-01-01T09:00:01Z')
    expect(await history(id)).toEqual([
      '01T06:00 fired pending',
      '01T07:00 fired pending +1',
      '01T08:00 fired pending',
      '01T09:00 fired pending',
    ])
  })

  it('stepped back before an edit does not repeat what was fired', async () => {
    const id = await add(hourly)
    await fireAt('2027-01-01T06:00:01Z')
    await pool().query(`update analysis_schedules set cron_expression = '*/30 * * * *'`)
    await planAt('2027-01-01T04:10:00Z')
    expect((await readSchedule(pool(), id)).next_run_at).toBe('2027-01-01T06:30:00Z')
    await pool().query(`update analysis_schedules set next_run_at = '2027-01-01T05:30:00Z'`)
    await fireAt('2027-01-01T05:30:01Z')
    expect(await history(id)).toEqual(['01T06:00 fired pending'])
  })
})

describe('an edit by psql', () => {
  it('of a new row is planned from now on', async () => {
    const id = await add({ next_run_at: null, timezone: 'America/New_York' })
    expect(await planAt('2027-01-01T12:00:00Z')).toBe(1)
    expect((await readSchedule(pool(), id)).next_run_at).toBe('2027-01-02T11:00:00Z')
    expect(await planAt('2027-01-01T12:00:00Z')).toBe(0)
  })

  it('of the rule across an occurrence goes on from now', async () => {
    const id = await add()
    await fireAt('2027-01-01T06:00:01Z')
    await pool().query(
      `update analysis_schedules set cron_expression = '0 7 * * *', timezone = 'Asia/Tokyo'`,
    )
    expect(await readSchedule(pool(), id)).toMatchObject({ next_run_at: null, revision: 2 })
    await planAt('2027-01-01T12:00:00Z')
    expect((await readSchedule(pool(), id)).next_run_at).toBe('2027-01-01T22:00:00Z')
  })

  it('that pauses and resumes makes nothing up', async () => {
    const id = await add()
    await pool().query('update analysis_schedules set enabled = false')
    expect(await fireAt('2027-01-05T06:00:01Z')).toMatchObject({ schedules: 0 })
    await pool().query('update analysis_schedules set enabled = true')
    await planAt('2027-01-05T12:00:00Z')
    expect((await readSchedule(pool(), id)).next_run_at).toBe('2027-01-06T06:00:00Z')
    expect(await history(id)).toEqual([])
  })

  it('of next_run_at is obeyed', async () => {
    const id = await add()
    await pool().query(`update analysis_schedules set next_run_at = '2026-12-31T17:17:17Z'`)
    await fireAt('2026-12-31T17:17:18Z')
    expect(await history(id)).toEqual(['31T17:17 fired pending'])
    expect((await readSchedule(pool(), id)).next_run_at).toBe('2027-01-01T06:00:00Z')
  })

  it('that deletes keeps the jobs', async () => {
    const id = await add()
    await fireAt('2027-01-01T06:00:01Z')
    await pool().query('delete from analysis_schedules where id = $1', [id])
    const { rows } = await pool().query('select status, schedule_id from analysis_jobs')
    expect(rows).toEqual([{ status: 'pending', schedule_id: null }])
  })
})

describe('a rule that cannot be followed', () => {
  it('is an error on its row, stops nobody else, and goes away with the mistake', async () => {
    const bad = await add({ next_run_at: null, cron_expression: 'every day' })
    const nowhere = await add({ next_run_at: null, timezone: 'Mars/Phobos' })
    const good = await add({ next_run_at: null })
    await planAt('2027-01-01T00:00:00Z')
    expect((await readSchedule(pool(), bad)).rule_error).toContain('it has 2 fields')
    expect((await readSchedule(pool(), nowhere)).rule_error).toContain('no time zone "Mars/Phobos"')
    await fireAt('2027-01-01T06:00:01Z')
    expect(await history(good)).toEqual(['01T06:00 fired pending'])
    // Not asked again before some minutes are over.
    expect(await planAt('2027-01-01T06:00:02Z')).toBe(0)
    await pool().query(
      `update analysis_schedules set cron_expression = '0 8 * * *' where id = $1`,
      [bad],
    )
    await planAt('2027-01-01T06:00:03Z')
    expect(await readSchedule(pool(), bad)).toMatchObject({
      rule_error: null,
      next_run_at: '2027-01-01T08:00:00Z',
    })
  })

  it('recovers by itself and decides on what it missed', async () => {
    const id = await add()
    await fireAt('2027-01-01T06:00:01Z')
    await endJobs()
    // As if zone data had made its rule impossible for two days.
    await pool().query(`update analysis_schedules
      set next_run_at = null, rule_error = 'no such zone', rule_error_at = now() - interval '1 hour'`)
    await planAt('2027-01-03T12:00:00Z')
    await fireAt('2027-01-03T12:00:00Z')
    expect(await history(id)).toEqual(['01T06:00 fired completed', '03T06:00 fired pending +2'])
    expect((await readSchedule(pool(), id)).rule_error).toBeNull()
  })

  it('is set aside when the database refuses to fire it', async () => {
    const id = await insertSchedule(pool(), analysisId, { next_run_at: '2020-01-01T00:00:00Z' })
    expect(await setAsideFirstDue(core.context, 'value too long')).toBe(id)
    expect(await readSchedule(pool(), id)).toMatchObject({
      next_run_at: null,
      rule_error: 'value too long',
    })
  })
})

describe('a run that meets an earlier one', () => {
  const days = ['2027-01-01T06:00:01Z', '2027-01-02T06:00:01Z', '2027-01-03T06:00:01Z']
  const fireAll = async (): Promise<void> => {
    for (const day of days) await fireAt(day)
  }

  it('is skipped, and the one after its end is not', async () => {
    const id = await add()
    await fireAt('2027-01-01T06:00:01Z')
    await fireAt('2027-01-02T06:00:01Z')
    await endJobs()
    await fireAt('2027-01-03T06:00:01Z')
    expect(await history(id)).toEqual([
      '01T06:00 fired completed',
      '02T06:00 skipped',
      '03T06:00 fired pending',
    ])
  })

  it('waits in a queue, and the end of one lets the next go', async () => {
    const id = await add({ overlap_policy: 'queue' })
    await fireAll()
    const ready = async () => (await readOccurrences(pool(), id)).map((one) => one.ready)
    expect(await ready()).toEqual([true, false, false])
    await endJobs('failed')
    expect(await ready()).toEqual([false, true, false])
    await pool().query(`delete from analysis_jobs where status = 'pending' and ready`)
    expect(await ready()).toEqual([false, null, true])
  })

  it('cancels it', async () => {
    const id = await add({ overlap_policy: 'cancel-other' })
    await fireAll()
    expect(await history(id)).toEqual([
      '01T06:00 fired cancelled',
      '02T06:00 fired cancelled',
      '03T06:00 fired pending',
    ])
  })

  it('runs beside it', async () => {
    const id = await add({ overlap_policy: 'allow' })
    await fireAll()
    expect(new Set((await readOccurrences(pool(), id)).map((one) => one.ready))).toEqual(
      new Set([true]),
    )
  })

  it('does not mind jobs of other schedules, or backfilled ones', async () => {
    const id = await add()
    await insertJob(pool(), analysisId)
    await insertJob(pool(), analysisId, { schedule_id: id, triggered_by: 'backfill' })
    await fireAt('2027-01-01T06:00:01Z')
    expect(await history(id)).toEqual(['01T06:00 fired pending'])
  })
})

describe('a schedule whose runs fail', () => {
  it('switches itself off, and gets another chance when it is enabled', async () => {
    const id = await add({ pause_after_failures: 2 })
    await fireAt('2027-01-01T06:00:01Z')
    await endJobs('failed')
    await fireAt('2027-01-02T06:00:01Z')
    await endJobs('failed')
    await fireAt('2027-01-03T06:00:01Z')
    expect(await history(id)).toEqual([
      '01T06:00 fired failed',
      '02T06:00 fired failed',
      '03T06:00 skipped',
    ])
    expect(await readSchedule(pool(), id)).toMatchObject({
      enabled: false,
      pause_reason: 'paused: 2 runs in a row failed',
      paused_by: 'scheduler',
    })
    const { rows } = await pool().query(
      `select action, actor, source, before_hash <> after_hash as tells_states
       from analysis_audit_log`,
    )
    const tells = { actor: 'scheduler', source: 'scheduler', tells_states: true }
    expect(rows).toEqual([{ action: 'schedule.disable', ...tells }])
    await pool().query('update analysis_schedules set enabled = true')
    await planAt('2027-01-03T07:00:00Z')
    await fireAt('2027-01-04T06:00:01Z')
    expect((await history(id)).at(-1)).toBe('04T06:00 fired pending')
  })

  it('goes on when one of them did not', async () => {
    const id = await add({ pause_after_failures: 2 })
    await fireAt('2027-01-01T06:00:01Z')
    await endJobs('failed')
    await fireAt('2027-01-02T06:00:01Z')
    await endJobs('completed')
    await fireAt('2027-01-03T06:00:01Z')
    await endJobs('failed')
    await fireAt('2027-01-04T06:00:01Z')
    expect((await history(id)).at(-1)).toBe('04T06:00 fired pending')
  })
})

it('forgets what became of a schedule with the schedule', async () => {
  const id = await add()
  await fireAt('2027-01-01T06:00:01Z')
  const left = async () =>
    (
      await pool().query(
        `select (select count(*) from analysis_schedule_occurrences)::integer as occurrences,
           (select count(*) from analysis_schedule_runs)::integer as runs`,
      )
    ).rows[0]
  expect(await left()).toEqual({ occurrences: 1, runs: 1 })
  await pool().query('delete from analysis_schedules where id = $1', [id])
  expect(await left()).toEqual({ occurrences: 0, runs: 0 })
})
