import { formatDuration } from '../units/index.ts'
import { type FieldName, fieldKinds, fieldNames } from './cron-fields.ts'
import type { CronRule } from './cron-rule.ts'
import { isEvenStep } from './describe-rule.ts'
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

function unevenStep(field: FieldName, item: string): RuleWarning[] {
  const step = Number(/^\*\/(\d+)$/.exec(item)?.[1] ?? 1)
  if (step === 1 || isEvenStep(field, item)) return []
  const { min, max } = fieldKinds[field]
  const message =
    field === 'day-of-month'
      ? `${item} begins anew with each month: the 1st may follow the 31st`
      : `${item} does not divide the ${max - min + 1} values of the ${field} field: each round ends with a shorter step`
  return [{ code: 'uneven_step', message: field === 'day-of-week' ? weekStep(item) : message }]
}

const weekStep = (item: string): string => `${item} begins anew with each week, on Sunday`

function lateDay({ dayOfMonth, dayOfWeek, months }: CronRule): RuleWarning[] {
  const first = Math.min(...dayOfMonth.days)
  const isAlone = dayOfMonth.isRestricted && !dayOfWeek.isRestricted && !dayOfMonth.includesLast
  const isShort = (month: number): boolean =>
    month === 2 || (first === 31 && [4, 6, 9, 11].includes(month))
  if (!isAlone || first < 29 || ![...months].some(isShort)) return []
  return [
    {
      code: 'late_day',
      message: `not every month has a day ${first}: write L for the last day of the month`,
    },
  ]
}

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
