/** An instant, and the zone whose calendar decides which day it is. */
export interface Moment {
  /** RFC 3339, with a zone. */
  readonly now: string
  /** IANA name, such as `Europe/Berlin`. */
  readonly timezone: string
}

const dayMs = 86_400_000

/** Days since 1970-01-01 of a calendar day; day 0 was a Thursday. */
type DayNumber = number

const mondayOf = (day: DayNumber): DayNumber => day - ((((day + 3) % 7) + 7) % 7)

/** Each name is one day: a week is named by its Monday (its end by the Sunday), a month by its first. */
const relativeDates: Readonly<Record<string, (today: DayNumber) => DayNumber>> = {
  today: (today) => today,
  yesterday: (today) => today - 1,
  week_start: mondayOf,
  week_end: (today) => mondayOf(today) + 6,
  last_week: (today) => mondayOf(today) - 7,
  last_month: (today) => firstOfMonth(today, -1),
  current_month: (today) => firstOfMonth(today, 0),
}

export const relativeDateNames: readonly string[] = Object.keys(relativeDates)

export const isRelativeDate = (text: string): boolean => relativeDateNames.includes(text)

/**
 * The calendar day, `YYYY-MM-DD`, that a relative name means at a moment.
 *
 * @throws RangeError for a zone that does not exist, or a name that is none of `relativeDateNames`.
 */
export function resolveRelativeDate(name: string, { now, timezone }: Moment): string {
  const rule = relativeDates[name]
  if (!rule) throw new RangeError(`${name} is not a relative date`)
  return new Date(rule(dayIn(timezone, new Date(now))) * dayMs).toISOString().slice(0, 10)
}

/** True for a day that the calendar has: `2026-02-30` is none. */
export function isCalendarDate(text: string): boolean {
  if (!/^\d{4}-\d\d-\d\d$/.test(text)) return false
  const date = new Date(`${text}T00:00:00Z`)
  return !Number.isNaN(date.getTime()) && date.toISOString().startsWith(text)
}

function dayIn(timezone: string, now: Date): DayNumber {
  const parts = new Intl.DateTimeFormat('en', {
    timeZone: timezone,
    calendar: 'gregory',
    numberingSystem: 'latn',
    year: 'numeric',
    month: 'numeric',
    day: 'numeric',
  }).formatToParts(now)
  const part = (type: string): number => Number(parts.find((one) => one.type === type)?.value)
  return Date.UTC(part('year'), part('month') - 1, part('day')) / dayMs
}

function firstOfMonth(day: DayNumber, monthsAway: number): DayNumber {
  const date = new Date(day * dayMs)
  return Date.UTC(date.getUTCFullYear(), date.getUTCMonth() + monthsAway, 1) / dayMs
}
