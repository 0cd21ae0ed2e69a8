import type { CronRule } from './cron-rule.ts'

/** A day of the proleptic Gregorian calendar; months and days count from 1. */
export interface CalendarDay {
  readonly year: number
  readonly month: number
  readonly day: number
}

export const dayMs = 86_400_000

/** Days since 1970-01-01. */
export const dayNumber = ({ year, month, day }: CalendarDay): number =>
  Date.UTC(year, month - 1, day) / dayMs

/** The day that holds a local time, counted in milliseconds as if the zone were UTC. */
export function dayOf(localMs: number): CalendarDay {
  const date = new Date(localMs)
  return { year: date.getUTCFullYear(), month: date.getUTCMonth() + 1, day: date.getUTCDate() }
}

/**
 * The first day that a rule names, not before the one given; undefined when there is none within so
 * many years. With both day fields restricted a day that either names will do.
 */
export function firstDay(
  rule: CronRule,
  from: CalendarDay,
  withinYears: number,
): CalendarDay | undefined {
  let { year, month, day } = from
  const lastYear = year + withinYears
  while (year <= lastYear) {
    if (rule.months.has(month)) {
      const found = firstDayOfMonth(rule, year, month, day)
      if (found !== undefined) return { year, month, day: found }
    }
    day = 1
    month += 1
    if (month > 12) {
      month = 1
      year += 1
    }
  }
  return undefined
}

function firstDayOfMonth(
  { dayOfMonth, dayOfWeek }: CronRule,
  year: number,
  month: number,
  from: number,
): number | undefined {
  const length = daysIn(year, month)
  const weekdayOfZeroth = (((dayNumber({ year, month, day: 1 }) + 3) % 7) + 7) % 7
  for (let day = from; day <= length; day += 1) {
    const byDay = dayOfMonth.days.has(day) || (dayOfMonth.includesLast && day === length)
    const weekday = (weekdayOfZeroth + day) % 7
    const byWeekday =
      dayOfWeek.weekdays.has(weekday) ||
      (dayOfWeek.last.has(weekday) && day + 7 > length) ||
      dayOfWeek.nth.some((one) => one.weekday === weekday && one.n === Math.ceil(day / 7))
    const matches =
      dayOfMonth.isRestricted && dayOfWeek.isRestricted
        ? byDay || byWeekday
        : dayOfMonth.isRestricted
          ? byDay
          : !dayOfWeek.isRestricted || byWeekday
    if (matches) return day
  }
  return undefined
}

function daysIn(year: number, month: number): number {
  if (month !== 2) return month === 4 || month === 6 || month === 9 || month === 11 ? 30 : 31
  return (year % 4 === 0 && year % 100 !== 0) || year % 400 === 0 ? 29 : 28
}
