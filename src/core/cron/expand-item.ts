import { type CronFieldCollection, CronExpressionParser } from 'cron-parser'
import { type FieldName, fieldKinds, fieldNames } from './cron-fields.ts'
import { FieldError } from './cron-invalid.ts'

const collectionKeys: Readonly<Record<FieldName, keyof CronFieldCollection>> = {
  second: 'second',
  minute: 'minute',
  hour: 'hour',
  'day-of-month': 'dayOfMonth',
  month: 'month',
  'day-of-week': 'dayOfWeek',
}

const shape = /^(\*|[a-z0-9]+)(?:-([a-z0-9]+))?(?:\/(\d+))?$/i

/**
 * The numbers of one item of a field's list: `7`, `MON-FRI`, `10-50/5`. cron-parser expands
 * it, alone: of whole fields it refuses what crontab(5) allows (`30,30`, `1-10,5-15`,
 * `SAT-SUN`), and lets pass what means something else (`H`, `?` in any field).
 *
 * @throws FieldError with the reason.
 */
export function expandItem(field: FieldName, item: string): readonly number[] {
  const match = shape.exec(item)
  if (!match) throw new FieldError(`${quote(item)} is not a value of the ${field} field`)
  const [, first = '', last, stepText] = match
  if (first === '*' && last !== undefined) {
    throw new FieldError(`${quote(item)} is not a range of the ${field} field`)
  }
  const step = stepText === undefined ? '' : `/${stepOf(stepText, item)}`
  return parse(field, `${rangeText(field, item, first, last)}${step}`)
}

function rangeText(
  field: FieldName,
  item: string,
  first: string,
  last: string | undefined,
): string {
  if (first === '*') return '*'
  const from = numberOf(field, first)
  if (last === undefined) return String(from)
  let to = numberOf(field, last)
  // The week ends with Sunday as well as it begins with it: FRI-SUN.
  if (field === 'day-of-week' && last.toLowerCase() === 'sun' && from > 0) to = 7
  if (from <= to) return `${from}-${to}`
  const { min, max } = fieldKinds[field]
  const whole = field === 'day-of-week' ? 6 : max
  throw new FieldError(
    `${quote(item)} is a range that ends before it begins`,
    `write it as two: ${from}-${whole},${min}-${to}`,
  )
}

/** A number or a name within the bounds of the field. */
export function numberOf(field: FieldName, text: string): number {
  const { min, max, names, firstName } = fieldKinds[field]
  if (/^\d+$/.test(text)) {
    const value = Number(text)
    if (value >= min && value <= max) return value
    throw new FieldError(`${quote(text)} is outside ${min}-${max}, the ${field} field`)
  }
  const index = names.indexOf(text.toLowerCase())
  if (index >= 0) return index + firstName
  if (/^h$/i.test(text)) {
    throw new FieldError('H is not supported', 'write the minute that you want, such as 17')
  }
  if (/^(\d+w|lw|w)$/i.test(text)) {
    throw new FieldError('W, the nearest working day, is not supported')
  }
  if (/^l$/i.test(text)) {
    throw new FieldError('L, the last day of the month, stands alone', 'write L without a range')
  }
  throw new FieldError(
    `${quote(text)} is no ${names.length > 0 ? 'number or name' : 'number'} of the ${field} field`,
    names.length > 0 ? `the names are ${names.join(', ').toUpperCase()}` : undefined,
  )
}

function stepOf(text: string, item: string): number {
  const step = Number(text)
  if (step > 0 && step <= 1000) return step
  throw new FieldError(`${quote(item)} has an impossible step`)
}

function parse(field: FieldName, item: string): readonly number[] {
  const expression = fieldNames.map((name) => (name === field ? item : '*')).join(' ')
  const { fields } = CronExpressionParser.parse(expression)
  const { values } = fields[collectionKeys[field]] as { readonly values: readonly unknown[] }
  return values.map((value) => {
    if (typeof value !== 'number') throw new FieldError(`${quote(item)} is not a number`)
    return field === 'day-of-week' ? value % 7 : value
  })
}

export const quote = (text: string): string => JSON.stringify(text)
