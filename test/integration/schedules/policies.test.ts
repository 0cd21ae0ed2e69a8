/** What becomes of a schedule when nobody was there, or somebody changed it, at an occurrence. */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import {
  deleteSchedule,
  disableSchedule,
  enableSchedule,
  fireDueSchedules,
  planNextRuns,
  setSchedule,
  triggerSchedule,
} from '../../../src/core/schedules/index.ts'
import { type TestContext, openTestContext } from '../../support/core-context.ts'
import { insertAnalysis } from '../../support/queue.ts'
import { insertSchedule, readOccurrences, readSchedule } from '../../support/schedules.ts'

let core: TestContext
let analysisId: string
beforeAll(async () => {
  core = await openTestContext()
})
afterAll(() => core.close())
beforeEach(async () => {
  await pool().query('truncate projects cascade')
  analysisId = await insertAnalysis(pool())
})

const pool = () => core.context.database.pool
const fireAt = (now: string) => fireDueSchedules(core.context, { now })
/** Of every five minutes, fired last at 06:00. */
const add = (columns: Readonly<Record<string, unknown>> = {}) =>
  insertSchedule(pool(), analysisId, {
    cron_expression: '*/5 * * * *',
    next_run_at: '2027-01-01T06:05:00Z',
    last_scheduled_for: '2027-01-01T06:00:00Z',
    ...columns,
  })
/** Days and times that had one decision, and how many missed ones they stand for. */
async function outcome(id: string) {
  const occurrences = await readOccurrences(pool(), id)
  const of = (decision: string) => occurrences.filter((one) => one.decision === decision)
  return {
    fired: of('fired').map((one) => `${one.scheduled_for.slice(8, 16)} +${one.missed_count}`),
    missed: of('missed').map((one) => `${one.scheduled_for.slice(8, 16)} +${one.missed_count}`),
    skipped: of('skipped').length,
    ready: occurrences.filter(({ ready }) => ready).length,
  }
}
const none = { fired: [], missed: [], skipped: 0, ready: 0 }

describe('after an outage', () => {
  const tenMinutes = '2027-01-01T06:12:30Z'
  const twoHours = '2027-01-01T08:02:30Z'
  const threeDays = '2027-01-04T06:02:30Z'

  it.each([
    ['ten minutes', 'once', tenMinutes, { fired: ['01T06:10 +2'], ready: 1 }],
    ['ten minutes', 'skip', tenMinutes, { missed: ['01T06:10 +2'] }],
    ['ten minutes', 'all', tenMinutes, { fired: ['01T06:05 +1', '01T06:10 +1'], ready: 1 }],
    ['two hours', 'once', twoHours, { fired: ['01T08:00 +24'], ready: 1 }],
    ['two hours', 'skip', twoHours, { missed: ['01T08:00 +24'] }],
    ['three days', 'once', threeDays, { fired: ['04T06:00 +864'], ready: 1 }],
    ['three days', 'skip', threeDays, { missed: ['04T06:00 +864'] }],
    // Late by half a minute only: in time.
    [
      'five minutes',
      'skip',
      '2027-01-01T06:10:30Z',
      { missed: ['01T06:05 +1'], fired: ['01T06:10 +0'], ready: 1 },
    ],
  ])('of %s under policy %s', async (_length, missed_policy, now, expected) => {
    const id = await add({ missed_policy })
    await fireAt(now)
    expect(await outcome(id)).toEqual({ ...none, ...expected })
    const next = Math.ceil((Date.parse(now) + 1) / 300_000) * 300_000
    expect(Date.parse((await readSchedule(pool(), id)).next_run_at ?? '')).toBe(next)
  })

  it.each([
    ['skip', { count: 24, ready: 1, skipped: 0 }],
    ['queue', { count: 24, ready: 1, skipped: 0 }],
    ['allow', { count: 24, ready: 24, skipped: 0 }],
    ['cancel-other', { count: 1, ready: 1, skipped: 23 }],
  ])('of two hours under policy all, with overlap %s', async (overlap_policy, expected) => {
    const id = await add({ missed_policy: 'all', overlap_policy })
    await fireAt(twoHours)
    const { fired, ready, skipped } = await outcome(id)
    expect({ count: fired.length, ready, skipped }).toEqual(expected)
    expect(fired.at(-1)).toBe('01T08:00 +1')
  })

  it('of three days under policy all: the last hundred, one after another', async () => {
    const id = await add({ missed_policy: 'all' })
    await fireAt(threeDays)
    const { fired, missed, ready } = await outcome(id)
    expect(missed).toEqual(['03T21:40 +764'])
    expect([fired.length, fired[0], fired.at(-1), ready]).toEqual([
      100,
      '03T21:45 +1',
      '04T06:00 +1',
      1,
    ])
  })
})

describe('across an occurrence', () => {
  const due = '2027-01-01T06:05:01Z'
  const later = '2027-01-01T06:12:30Z'
  const reference = () => ({ reference: analysisId })

  it('a pause keeps it from firing, and a resumption without catching up lets it be', async () => {
    const id = await add({
      next_run_at: '2020-01-01T06:05:00Z',
      last_scheduled_for: '2020-01-01T06:00:00Z',
    })
    await disableSchedule(core.context, reference(), { reason: 'source is down' })
    expect(await fireDueSchedules(core.context)).toMatchObject({ schedules: 0 })
    await enableSchedule(core.context, reference(), { catchUp: false })
    expect(await fireDueSchedules(core.context)).toMatchObject({ schedules: 0 })
    const { next_run_at: next } = await readSchedule(pool(), id)
    expect(Date.parse(next ?? '')).toBeGreaterThan(Date.now() - 60_000)
    expect(await outcome(id)).toEqual(none)
  })

  it.each([
    ['once', { fired: ['01T06:10 +2'], ready: 1 }],
    ['skip', { missed: ['01T06:10 +2'] }],
    ['all', { fired: ['01T06:05 +1', '01T06:10 +1'], ready: 1 }],
  ])('a pause that ends with catching up follows policy %s', async (missed_policy, expected) => {
    const id = await add({ missed_policy })
    await disableSchedule(core.context, reference(), { reason: undefined })
    await fireAt(due)
    await enableSchedule(core.context, reference(), { catchUp: true })
    await fireAt(later)
    expect(await outcome(id)).toEqual({ ...none, ...expected })
  })

  it('an edit of the rule drops it, one of a policy does not', async () => {
    const id = await add({
      next_run_at: '2999-01-01T06:05:00Z',
      last_scheduled_for: '2999-01-01T06:00:00Z',
    })
    const set = (changes: Parameters<typeof setSchedule>[1]['changes']) =>
      setSchedule(core.context, { ...reference(), add: false, changes })
    await set({ jitterMs: 1000 })
    expect((await readSchedule(pool(), id)).next_run_at).toBe('2999-01-01T06:05:00Z')
    await set({ cron: '0 3 * * *' })
    const { next_run_at: next } = await readSchedule(pool(), id)
    // Computed from the real clock or the last occurrence, whichever is later.
    expect(next).toBe('2999-01-02T03:00:00Z')
    expect(await fireAt('2999-01-01T06:05:01Z')).toMatchObject({ schedules: 0 })
  })

  it('an edit within the jitter keeps the run that waits', async () => {
    const id = await add({ jitter_ms: 240_000 })
    await fireAt(due)
    await pool().query(`update analysis_schedules set cron_expression = '0 3 * * *'`)
    await planNextRuns(core.context, { now: due })
    expect(await outcome(id)).toEqual({ ...none, fired: ['01T06:05 +0'], ready: 1 })
  })

  it('a trigger neither takes its place nor moves it', async () => {
    const id = await add({ overlap_policy: 'allow' })
    await triggerSchedule(core.context, reference())
    expect((await readSchedule(pool(), id)).next_run_at).toBe('2027-01-01T06:05:00Z')
    await fireAt(due)
    expect(await outcome(id)).toEqual({ ...none, fired: ['01T06:05 +0'], ready: 1 })
  })

  it('a deletion leaves nothing that fires', async () => {
    await add()
    await deleteSchedule(core.context, reference())
    expect(await fireAt(due)).toMatchObject({ schedules: 0, jobs: 0 })
  })
})
