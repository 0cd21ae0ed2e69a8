import { describe, expect, it } from 'vitest'
import {
  describeRule,
  lintRule,
  parseRule,
  previewOccurrences,
  zoneOffsets,
} from '../../../src/core/cron/index.ts'

describe('the description of a rule', () => {
  it.each([
    ['30 2 * * 1-5', 'At 02:30, Monday through Friday'],
    ['*/15 * * * *', 'Every 15 minutes'],
    ['*/45 * * * *', 'At 0 and 45 minutes past the hour'],
    ['*,10 * * * *', 'Every minute'],
    ['0 0 13 * 5', 'At 00:00, on day 13 of the month; also at 00:00, only on Friday'],
    ['0 0 L * *', 'At 00:00, on the last day of the month'],
    ['0 0 * * 5#3', 'At 00:00, on the third Friday of the month'],
    ['15 30 2 * * *', 'At 02:30:15'],
    ['@weekly', 'At 00:00, only on Sunday'],
    ['0 0,12 * * *', 'At 00:00 and 12:00'],
    ['0/15 9-16 * * *', 'Every 15 minutes, between 09:00 and 16:59'],
    // It words an hour as a time, a whole minute as none, and a weekday as "the first" too.
    [
      '0,45 2,4 * * *',
      'At 0 and 45 minutes past the hour, at 02:00 through 02:59 and 04:00 through 04:59',
    ],
    ['* 30 2 * * *', 'Seconds 0 through 59 past the minute, at 30 minutes past the hour, at 02:00'],
    ['0 0 * * 1#1,5', 'At 00:00, only on Friday; also at 00:00, on the first Monday of the month'],
    [
      '0 0 L * 5L',
      'At 00:00, on the last day of the month; also at 00:00, on the last Friday of the month',
    ],
    ['0 0 */10,L * *', 'At 00:00, on day 1, 11, 21, 31, and the last day of the month'],
    ['0 0 * * FRI-SUN', 'At 00:00, Friday through Sunday'],
    ['0 0 * * 1-7', 'At 00:00'],
    ['0 0 1-31 * 5', 'At 00:00'],
    [
      '5,5 1-2,2-3 1,1 */6,7 1,1',
      'At 5 minutes past the hour, between 01:00 and 03:59, on day 1 of the month, only in January and July; also at 5 minutes past the hour, between 01:00 and 03:59, only on Monday, only in January and July',
    ],
  ])('%s reads "%s"', (expression, words) => {
    expect(describeRule(parseRule(expression))).toBe(words)
  })
})

describe('the warnings of a rule', () => {
  const warningsOf = (expression: string, timezone = 'UTC', minIntervalMs = 60_000) =>
    lintRule(parseRule(expression), zoneOffsets(timezone), {
      fromMs: Date.parse('2026-01-01T00:00Z'),
      minIntervalMs,
    })
  const codesOf = (...args: Parameters<typeof warningsOf>) =>
    warningsOf(...args).map(({ code }) => code)

  it('are none for a plain rule', () => {
    expect(codesOf('30 4 * * 1-5', 'America/New_York')).toEqual([])
    expect(codesOf('*/15 * * * *', 'America/New_York')).toEqual([])
    expect(codesOf('0 0 L * *')).toEqual([])
    expect(codesOf('0 0 31 1,3 *')).toEqual([])
    expect(codesOf('0 0 25-31 * *')).toEqual([])
    expect(codesOf('5/20 10-20/7 * * *')).toEqual([])
    expect(codesOf('*/60 */24 * * *')).toEqual([])
  })

  it('tell of both day fields, steps that do not divide, late days and haste', () => {
    expect(codesOf('0 0 13 * 5')).toEqual(['both_days'])
    expect(codesOf('*/7 * * * *')).toEqual(['uneven_step'])
    expect(codesOf('0 0 */2 * *')).toEqual(['uneven_step'])
    expect(codesOf('0/7 * * * *')).toEqual(['uneven_step'])
    expect(codesOf('0-59/7 * * * *')).toEqual(['uneven_step'])
    expect(codesOf('50/20 * * * *')).toEqual(['uneven_step'])
    expect(codesOf('0 0 * * MON/2')).toEqual(['uneven_step'])
    expect(codesOf('0 0 31 * *')).toEqual(['late_day'])
    expect(codesOf('0 0 15,30 * *')).toEqual(['late_day'])
    expect(codesOf('0 0 29-31 * FRI')).toEqual(['both_days', 'late_day'])
    expect(codesOf('0 0 29 * *')).toEqual(['late_day'])
    expect(codesOf('*/10 * * * * *')).toEqual(['too_often'])
    expect(codesOf('0 * * * *', 'UTC', 7_200_000)).toEqual(['too_often'])
  })

  it('name the day of a gap and of an overlap', () => {
    expect(warningsOf('30 2 * * *', 'America/New_York')).toEqual([
      { code: 'gap', message: '02:30 does not exist on 2026-03-08: it fires at 03:00 instead' },
    ])
    expect(warningsOf('30 1 * * *', 'America/New_York')).toEqual([
      { code: 'overlap', message: '01:30 comes twice on 2026-11-01: it fires the first time only' },
    ])
    expect(warningsOf('*/30 2 * * *', 'America/New_York')[0]?.message).toContain('does not fire')
    expect(codesOf('30 2 1 1 *', 'America/New_York')).toEqual([])
    expect(codesOf('0 0-23 * * *', 'America/New_York')).toEqual(['gap', 'overlap'])
    expect(codesOf('0 */2 * * *', 'America/New_York')).toEqual(['gap'])
    expect(codesOf('* 0-23 * * *', 'America/New_York')).toEqual([])
  })
})

describe('the preview', () => {
  it('has both times and says what is moved or doubled', () => {
    const request = { timezone: 'America/New_York', count: 1 }
    expect(
      previewOccurrences({
        ...request,
        cron: '30 2 * * *',
        afterMs: Date.parse('2026-03-08T00:00Z'),
      }),
    ).toEqual([
      {
        utc: '2026-03-08T07:00:00Z',
        local: '2026-03-08T03:00:00-04:00',
        weekday: 'Sunday',
        isMoved: true,
        isDoubled: false,
        note: 'moved: 02:30 does not exist',
      },
    ])
    const [doubled] = previewOccurrences({
      ...request,
      cron: '30 1 * * *',
      afterMs: Date.parse('2026-11-01T00:00Z'),
    })
    expect(doubled).toMatchObject({
      isDoubled: true,
      note: 'occurs twice: first pass, the second does not fire',
    })
  })
})
