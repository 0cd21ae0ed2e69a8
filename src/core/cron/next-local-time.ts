import type { CronRule } from './cron-rule.ts'
import { type CalendarDay, dayMs, dayNumber, dayOf, firstDay } from './days.ts'

/** The rarest rules that fire at all, 29 February on one weekday across 2100, wait 40 years. */
const searchYears = 100

/**
 * The first local time that a rule names, not before the one given; undefined at the end of the
 * calendar. Local times are milliseconds counted as if the zone were UTC: no zone is known here.
 */
export function nextLocalTime(rule: CronRule, fromMs: number): number | undefined {
  // Whole seconds only.
  const from = Math.ceil(fromMs / 1000) * 1000
  const start = dayOf(from)
  let day = firstDay(rule, start, searchYears)
  if (day === undefined) return undefined
  if (isSameDay(day, start)) {
    const dayStart = dayNumber(start) * dayMs
    const time = firstTime(rule, (from - dayStart) / 1000)
    if (time !== undefined) return dayStart + time * 1000
    day = firstDay(rule, dayOf(dayStart + dayMs), searchYears)
    if (day === undefined) return undefined
  }
  return dayNumber(day) * dayMs + (firstTime(rule, 0) ?? 0) * 1000
}

const isSameDay = (a: CalendarDay, b: CalendarDay): boolean =>
  a.day === b.day && a.month === b.month && a.year === b.year

/** Seconds since midnight of the first time of day at or after `from`. */
function firstTime({ hours, minutes, seconds }: CronRule, from: number): number | undefined {
  for (const hour of hours) {
    if ((hour + 1) * 3600 <= from) continue
    for (const minute of minutes) {
      const start = hour * 3600 + minute * 60
      if (start + 60 <= from) continue
      for (const second of seconds) {
        if (start + second >= from) return start + second
      }
    }
  }
  return undefined
}
