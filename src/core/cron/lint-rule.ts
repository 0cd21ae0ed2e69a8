import { formatDuration } from '../units/index.ts'
import { type FieldName, fieldKinds, fieldNames } from './cron-fields.ts'
import type { CronRule } from './cron-rule.ts'
import { expandItem } from './expand-item.ts'
import { lintZoneChanges } from './lint-zone-changes.ts'
import { occurrencesAfter } from './next-occurrence.ts'
import type { ZoneOffsets } from './zone-offsets.ts'

/** Something about an accepted rule that may not be what its author means. */
export interface RuleWarning {
  readonly code: 'both_days' | 'uneven_step' | 'gap' | 'overlap' | 'late_day' | 'too_often'
  readonly message: string
}

export interface LintOptions {
  /** Looks at the time from here on, in milliseconds. */
  readonly fromMs: number
  /** Occurrences shall be no closer than this. */
  readonly minIntervalMs: number
}

/** What is worth a second look before the rule is stored. */
export function lintRule(
  rule: CronRule,
  zone: ZoneOffsets,
  { fromMs, minIntervalMs }: LintOptions,
): RuleWarning[] {
  return [
    ...bothDays(rule),
    ...unevenSteps(rule),
    ...lateDay(rule),
    ...lintZoneChanges(rule, zone, fromMs),
    ...tooOften(rule, zone, fromMs, minIntervalMs),
  ]
}

function bothDays({ dayOfMonth, dayOfWeek }: CronRule): RuleWarning[] {
  if (!dayOfMonth.isRestricted || !dayOfWeek.isRestricted) return []
  return [
    {
      code: 'both_days',
      message: 'day of month and day of week are both given: a day that matches either will do',
    },
  ]
}

function unevenSteps({ fields }: CronRule): RuleWarning[] {
  const names = fieldNames.slice(-fields.length)
  return fields.flatMap((text, index) =>
    text.split(',').flatMap((item) => unevenStep(names[index] as FieldName, item)),
  )
}

/** A step without an end of its own goes on to the end of the field, and begins anew there. */
function unevenStep(field: FieldName, item: string): RuleWarning[] {
  const [, first = '', last, stepText] = /^(\*|\w+)(?:-(\w+))?\/(\d+)$/.exec(item) ?? []
  const step = Number(stepText ?? 1)
  const { min, max } = fieldKinds[field]
  const isOpen = last === undefined || (Number(first) === min && Number(last) === max)
  if (step === 1 || !isOpen) return []
  if (field.startsWith('day')) {
    const round = field === 'day-of-month' ? 'month' : 'week'
    return [uneven(`${item} begins anew with each ${round}, however few days after the last`)]
  }
  const size = max - min + 1
  const values = expandItem(field, item)
  if (values.length * step === size) return []
  const what = `${item} does not divide the ${size} values of the ${field} field`
  return [
    uneven(
      values.length === 1
        ? `${what}: it stands for ${values[0]} alone`
        : `${what}: each round ends with a shorter step`,
    ),
  ]
}

const uneven = (message: string): RuleWarning => ({ code: 'uneven_step', message })

/** Only days named as such: who writes 1-31 or 25-31 means whatever the month has of them. */
function lateDay({ fields, dayOfMonth, months }: CronRule): RuleWarning[] {
  if (dayOfMonth.includesLast) return []
  const named = (fields.at(-3) ?? '')
    .split(',')
    .map((item) => Number(/^\d+/.exec(item)?.[0] ?? 0))
    .filter((day) => [...months].some((month) => lacks(month, day)))
  if (named.length === 0) return []
  const days = [...new Set(named)].join(' or ')
  return [
    {
      code: 'late_day',
      message: `not every month has a day ${days}: write L for the last day of the month`,
    },
  ]
}

const lacks = (month: number, day: number): boolean =>
  day > (month === 2 ? 28 : [4, 6, 9, 11].includes(month) ? 30 : 31)

/** Enough to see the closest two of a day, and of a year. */
const lookedAt = 1500
const lookAheadMs = 400 * 86_400_000

function tooOften(
  rule: CronRule,
  zone: ZoneOffsets,
  fromMs: number,
  minIntervalMs: number,
): RuleWarning[] {
  let shortest = Infinity
  let before: number | undefined
  for (const { atMs } of occurrencesAfter(rule, zone, fromMs).take(lookedAt)) {
    if (atMs > fromMs + lookAheadMs) break
    if (before !== undefined) shortest = Math.min(shortest, atMs - before)
    before = atMs
  }
  if (shortest >= minIntervalMs) return []
  return [
    {
      code: 'too_often',
      message: `it fires every ${formatDuration(shortest)} at times; the allowed minimum is ${formatDuration(minIntervalMs)}`,
    },
  ]
}
