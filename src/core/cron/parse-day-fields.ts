import type { DayRule, WeekdayRule } from './cron-rule.ts'
import { FieldError } from './cron-invalid.ts'
import { expandItem, numberOf, quote } from './expand-item.ts'
import { itemsOf } from './parse-list.ts'

const isAny = (item: string): boolean => item === '*' || item === '?'

/** Day of month: numbers, and `L` for the last. */
export function parseDayOfMonth(field: string): DayRule {
  const items = itemsOf('day-of-month', field)
  const isRestricted = !items.some(isAny)
  return {
    days: new Set(
      items
        .filter((item) => item.toLowerCase() !== 'l')
        .flatMap((item) => expandItem('day-of-month', item === '?' ? '*' : item)),
    ),
    includesLast: items.some((item) => item.toLowerCase() === 'l'),
    isRestricted,
  }
}

/** Day of week: numbers and names, `5L` for the last Friday, `5#3` for the third. */
export function parseDayOfWeek(field: string): WeekdayRule {
  const weekdays = new Set<number>()
  const last = new Set<number>()
  const nth: { weekday: number; n: number }[] = []
  const items = itemsOf('day-of-week', field)
  for (const item of items) {
    const special = /^([a-z0-9]+?)(?:L|#(\d+))$/i.exec(item)
    const weekday = special?.[1] === undefined ? 0 : numberOf('day-of-week', special[1]) % 7
    if (item.toLowerCase() === 'l') {
      throw new FieldError(
        'L alone is no day of the week',
        'write 6L for the last Saturday of the month, or L as day of month',
      )
    }
    if (!special) {
      for (const day of expandItem('day-of-week', item === '?' ? '*' : item)) weekdays.add(day)
    } else if (special[2] === undefined) {
      last.add(weekday)
    } else {
      nth.push({ weekday, n: weekOfMonth(special[2], item) })
    }
  }
  return { weekdays, nth, last, isRestricted: !items.some(isAny) }
}

function weekOfMonth(text: string, item: string): number {
  const n = Number(text)
  if (n >= 1 && n <= 5) return n
  throw new FieldError(`${quote(item)} names a week of the month outside 1-5`)
}
