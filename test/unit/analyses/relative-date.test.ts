import { describe, expect, it } from 'vitest'
import { isCalendarDate, resolveRelativeDate } from '../../../src/core/analyses/relative-date.ts'
import { isTimezone } from '../../../src/core/units/index.ts'

describe('resolveRelativeDate', () => {
  it.each([
    ['today', '2026-03-18'],
    ['yesterday', '2026-03-17'],
    ['week_start', '2026-03-16'],
    ['week_end', '2026-03-22'],
    ['last_week', '2026-03-09'],
    ['last_month', '2026-02-01'],
    ['current_month', '2026-03-01'],
  ])('%s on a Wednesday is %s', (name, day) => {
    expect(resolveRelativeDate(name, { now: '2026-03-18T12:00:00Z', timezone: 'UTC' })).toBe(day)
  })

  it.each([
    ['2026-03-16T00:00:00Z', '2026-03-16', 'a Monday begins its week'],
    ['2026-03-22T23:59:59Z', '2026-03-16', 'a Sunday ends it'],
    ['1969-12-31T12:00:00Z', '1969-12-29', 'before 1970 too'],
  ])('week_start at %s is %s: %s', (now, day) => {
    expect(resolveRelativeDate('week_start', { now, timezone: 'UTC' })).toBe(day)
  })

  it('goes over the turn of a year', () => {
    const moment = { now: '2026-01-01T12:00:00Z', timezone: 'UTC' }
    expect(resolveRelativeDate('yesterday', moment)).toBe('2025-12-31')
    expect(resolveRelativeDate('last_month', moment)).toBe('2025-12-01')
    expect(resolveRelativeDate('week_start', moment)).toBe('2025-12-29')
  })

  it.each([
    ['Pacific/Kiritimati', '2026-03-19'],
    ['Pacific/Pago_Pago', '2026-03-18'],
    ['Europe/Berlin', '2026-03-18'],
  ])('takes the day of %s', (timezone, day) => {
    expect(resolveRelativeDate('today', { now: '2026-03-18T11:30:00.123456Z', timezone })).toBe(day)
  })

  it('knows a day of 23 hours', () => {
    // Clocks in Berlin went from 02:00 to 03:00 on the 29th.
    const moment = { now: '2026-03-29T22:30:00Z', timezone: 'Europe/Berlin' }
    expect(resolveRelativeDate('today', moment)).toBe('2026-03-30')
    expect(resolveRelativeDate('yesterday', moment)).toBe('2026-03-29')
  })

  it('refuses names and zones that do not exist', () => {
    const moment = { now: '2026-03-18T12:00:00Z', timezone: 'UTC' }
    expect(() => resolveRelativeDate('tomorrow', moment)).toThrow(RangeError)
    expect(() => resolveRelativeDate('today', { ...moment, timezone: 'Mars' })).toThrow(RangeError)
  })
})

it('knows the calendar', () => {
  expect(isCalendarDate('2024-02-29')).toBe(true)
  expect(isCalendarDate('2026-02-29')).toBe(false)
  expect(isCalendarDate('2026-13-01')).toBe(false)
  expect(isCalendarDate('2026-1-1')).toBe(false)
  expect(isTimezone('Europe/Berlin')).toBe(true)
  expect(isTimezone('Europe/Nowhere')).toBe(false)
})
