import { afterAll, afterEach, beforeAll, expect, it } from 'vitest'
import { ScheduleLoop } from '../../../src/core/scheduler/schedule-loop.ts'
import { getSchedule, nextOccurrencesOf } from '../../../src/core/schedules/index.ts'
import { type TestContext, openTestContext } from '../../support/core-context.ts'
import { insertAnalysis } from '../../support/queue.ts'
import { insertSchedule, readOccurrences, readSchedule } from '../../support/schedules.ts'
import { waitUntil } from '../../support/wait-until.ts'

let core: TestContext
beforeAll(async () => {
  core = await openTestContext()
})
afterAll(() => core.close())

const loops: ScheduleLoop[] = []
afterEach(async () => {
  await Promise.all(loops.splice(0).map((loop) => loop.stop()))
  await pool().query('truncate analyses cascade')
})

const pool = () => core.context.database.pool
function start(): void {
  const tasks = { scheduleIds: [], wake: () => undefined }
  const loop = new ScheduleLoop(core.context, tasks, core.context.log)
  loops.push(loop)
  loop.start()
}
const fired = (id: string, count: number) =>
  waitUntil(`${count} occurrences were fired`, async () => {
    const occurrences = await readOccurrences(pool(), id)
    return occurrences.length >= count ? occurrences : undefined
  })

it('fires each second once, with several instances', async () => {
  const id = await insertSchedule(pool(), await insertAnalysis(pool()), {
    cron_expression: '* * * * * *',
    overlap_policy: 'allow',
  })
  start()
  start()
  start()
  const occurrences = await fired(id, 3)
  const instants = occurrences.map(({ scheduled_for }) => Date.parse(scheduled_for))
  for (const [index, instant] of instants.slice(1).entries()) {
    expect(instant - (instants[index] ?? 0)).toBe(1000)
  }
  const { rows } = await pool().query(
    'select count(*) as jobs, count(distinct scheduled_for) as instants from analysis_jobs',
  )
  expect(rows[0].jobs).toBe(rows[0].instants)
})

it('learns of rows and edits made by psql', async () => {
  start()
  const id = await insertSchedule(pool(), await insertAnalysis(pool()))
  await waitUntil('it is planned', async () => (await readSchedule(pool(), id)).next_run_at)
  await pool().query('update analysis_schedules set next_run_at = now()')
  await fired(id, 1)
})

it('tries one by one when a batch is refused, and sets the bad one aside', async () => {
  const [good, bad] = [await insertAnalysis(pool()), await insertAnalysis(pool())]
  await pool().query(
    `alter table analysis_jobs add constraint refused check (analysis_id <> '${bad}')`,
  )
  const due = { next_run_at: '2026-01-01T00:00:00Z' }
  const badId = await insertSchedule(pool(), bad, due)
  const ids = await Promise.all([1, 2, 3].map(() => insertSchedule(pool(), good, due)))
  start()
  for (const id of ids) await fired(id, 1)
  const { rule_error } = await waitUntil('it is set aside', async () => {
    const schedule = await readSchedule(pool(), badId)
    return schedule.rule_error === null ? undefined : schedule
  })
  expect(rule_error).toContain('refused')
  await pool().query('alter table analysis_jobs drop constraint refused')
})

it('goes on whatever somebody has set the next run to', async () => {
  const analysisId = await insertAnalysis(pool())
  const add = (next_run_at: string) => insertSchedule(pool(), analysisId, { next_run_at })
  const never = await add('infinity')
  const computed = await Promise.all(['-infinity', '0044-03-15 BC', '4713-01-01 BC'].map(add))
  start()
  await waitUntil('all others are planned', async () => {
    const schedules = await Promise.all(computed.map((id) => readSchedule(pool(), id)))
    return schedules.every(({ next_run_at: next }) => next !== null && Date.parse(next) > 0)
  })
  await fired(await add('2026-01-01T00:00:00Z'), 1)
  expect(await readSchedule(pool(), never)).toMatchObject({ next_run_at: 'infinity' })
  const { context } = core
  const schedule = await getSchedule(context, { reference: never })
  expect(nextOccurrencesOf(schedule, 5)).toEqual([])
  const { rows } = await pool().query('select from analysis_schedules where rule_error is not null')
  expect(rows).toEqual([])
})

it('computes anew what older zone data gave', async () => {
  const analysisId = await insertAnalysis(pool())
  const columns = { timezone: 'Europe/Berlin', next_run_at: '2099-01-01T00:00:00Z' }
  const old = await insertSchedule(pool(), analysisId, { ...columns, zone_data: '2001a' })
  const kept = await insertSchedule(pool(), analysisId, { ...columns, zone_data: '2999z' })
  start()
  await waitUntil('it is planned anew', async () => {
    const { next_run_at } = await readSchedule(pool(), old)
    return next_run_at !== null && next_run_at < '2099'
  })
  expect((await readSchedule(pool(), kept)).next_run_at).toBe('2099-01-01T00:00:00Z')
})
