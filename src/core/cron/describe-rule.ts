import cronstrue from 'cronstrue'
import { type FieldName, fieldKinds } from './cron-fields.ts'
import type { CronRule } from './cron-rule.ts'

/**
 * A rule in plain words. Only of rules that `parseRule` accepted: cronstrue also explains what never
 * fires. It gets each field written anew from the values it stands for, since it words some
 * writings of a rule as another one.
 */
export function describeRule(rule: CronRule): string {
  const time = timeFields(rule)
  const [first = '', ...more] = dayFields(rule).map((days) => wordsFor([...time, ...days]))
  return [
    first,
    ...more.map((text) => `also ${text.charAt(0).toLowerCase()}${text.slice(1)}`),
  ].join('; ')
}

function wordsFor(fields: readonly string[]): string {
  const [second, ...others] = fields
  return cronstrue.toString((second === '0' ? others : fields).join(' '), {
    use24HourTimeFormat: true,
  })
}

function timeFields({ seconds, minutes, hours }: CronRule): readonly string[] {
  const minute = fieldText('minute', minutes)
  const second = fieldText('second', seconds)
  return [
    // "Every second, between 02:00 and 02:00" it would say of one minute.
    second === '*' && minute !== '*' ? '0-59' : second,
    minute,
    // "At 02:00" it would say of an hour that many minutes of are meant.
    fieldText('hour', hours, minutes.length > 1),
  ]
}

/**
 * Day of month, month and day of week. One for each way in which a day can be meant: it would say
 * "and" where either is enough, and "the first Monday and Friday" of the first Monday and any Friday.
 */
function dayFields({ dayOfMonth, dayOfWeek, months }: CronRule): readonly string[][] {
  const month = fieldText('month', [...months])
  const found: string[][] = []
  if (dayOfMonth.isRestricted) {
    const days = fieldText('day-of-month', [...dayOfMonth.days])
    const last = dayOfMonth.includesLast ? ['L'] : []
    found.push([[...(days === '' ? [] : [days]), ...last].join(','), month, '*'])
  }
  if (dayOfWeek.isRestricted) {
    const special = [
      ...dayOfWeek.nth.map(({ weekday, n }) => `${weekday}#${n}`),
      ...[...dayOfWeek.last].map((weekday) => `${weekday}L`),
    ]
    // Sunday ends the week: "Friday through Sunday".
    const plain = fieldText(
      'day-of-week',
      [...dayOfWeek.weekdays].map((weekday) => weekday || 7),
    )
    if (plain !== '') found.push(['*', month, plain])
    for (const one of special) found.push(['*', month, one])
  }
  const any = ['*', month, '*']
  const isAny =
    found.length === 0 || found.some(([day, , weekday]) => day === '*' && weekday === '*')
  return isAny ? [any] : found
}

/** The shortest writing of a set of values; empty for none. */
function fieldText(field: FieldName, values: readonly number[], asRanges = false): string {
  const { min, max } = fieldKinds[field]
  const size = field === 'day-of-week' ? 7 : max - min + 1
  const sorted = [...new Set(values)].toSorted((a, b) => a - b)
  if (sorted.length === size) return '*'
  // "At 00:00 and 12:00" says more than "every 12 hours".
  const fewest = field === 'minute' || field === 'second' ? 2 : 3
  const step = size / sorted.length
  const isStep =
    !field.startsWith('day') &&
    sorted.length >= fewest &&
    sorted.every((value, index) => value === min + index * step)
  return isStep ? `*/${step}` : runs(sorted, asRanges)
}

function runs(sorted: readonly number[], asRanges: boolean): string {
  const found: [number, number][] = []
  for (const value of sorted) {
    const run = found.at(-1)
    if (run && value === run[1] + 1) run[1] = value
    else found.push([value, value])
  }
  return found
    .map(([from, to]) => {
      if (to === from) return asRanges ? `${from}-${to}` : `${from}`
      return to === from + 1 && !asRanges ? `${from},${to}` : `${from}-${to}`
    })
    .join(',')
}
