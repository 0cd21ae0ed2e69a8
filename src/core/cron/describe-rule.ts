import cronstrue from 'cronstrue'
import { type FieldName, fieldKinds, fieldNames } from './cron-fields.ts'
import type { CronRule } from './cron-rule.ts'
import { parseList } from './parse-list.ts'

/**
 * A rule in plain words. Only of rules that `parseRule` accepted: cronstrue also explains what never
 * fires. Where its words would mislead it is given another writing of the same rule.
 */
export function describeRule(rule: CronRule): string {
  const fields = sixFields(rule).map((text, index) => plainer(fieldNames[index] as FieldName, text))
  if (!rule.dayOfMonth.isRestricted || !rule.dayOfWeek.isRestricted) return wordsFor(fields)
  // It would say "and" where either day is enough.
  const byDay = wordsFor(fields.with(5, '*'))
  const byWeekday = wordsFor(fields.with(3, '*'))
  return `${byDay}; also ${byWeekday.charAt(0).toLowerCase()}${byWeekday.slice(1)}`
}

const sixFields = ({ fields, hasSeconds }: CronRule): readonly string[] =>
  hasSeconds ? fields : ['0', ...fields]

function wordsFor(fields: readonly string[]): string {
  const [second, ...others] = fields
  return cronstrue.toString((second === '0' ? others : fields).join(' '), {
    use24HourTimeFormat: true,
  })
}

/** Each item of a list that it says wrong, written out: "every 45 minutes" is at 0 and 45. */
function plainer(field: FieldName, text: string): string {
  const items = text.toUpperCase().split(',')
  if (items.includes('*') || items.includes('?')) return '*'
  if (!items.some((item) => item.includes('/') && !isEvenStep(field, item))) return text
  const special = items.filter((item) => /L|#/.test(item) && !/^[A-Z]{3}$/.test(item))
  const plain = items.filter((item) => !special.includes(item))
  const values = parseList(field, plain.join(',')).map(String)
  return [...values, ...special].join(',')
}

/** A step of 15 minutes divides the hour; other steps begin anew with each round. */
export function isEvenStep(field: FieldName, item: string): boolean {
  const step = /^\*\/(\d+)$/.exec(item)?.[1]
  if (step === undefined || field === 'day-of-month' || field === 'day-of-week') return false
  const { min, max } = fieldKinds[field]
  return (max - min + 1) % Number(step) === 0
}
