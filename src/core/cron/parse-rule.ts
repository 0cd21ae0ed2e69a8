import { firstDay } from './days.ts'
import { macros } from './cron-fields.ts'
import { FieldError, cronInvalid } from './cron-invalid.ts'
import type { CronRule } from './cron-rule.ts'
import { parseDayOfMonth, parseDayOfWeek } from './parse-day-fields.ts'
import { parseList } from './parse-list.ts'

/** More than twice what listing every value of every field takes. */
const maxChars = 1000
/** The calendar repeats after 400 years: what finds no day in so many never will. */
const calendarCycleYears = 400
/** Rules that were read lately. One takes about a tenth of a millisecond to read. */
const cache = new Map<string, CronRule>()
const cacheSize = 10_000

/**
 * Reads a cron expression: 5 fields, or 6 with leading seconds, or a macro such as `@daily`.
 *
 * @throws KilnError CRON_INVALID with the reason, also for a rule that never fires.
 */
export function parseRule(expression: string): CronRule {
  const known = cache.get(expression)
  if (known) return known
  const rule = read(expression)
  if (cache.size >= cacheSize) cache.clear()
  cache.set(expression, rule)
  return rule
}

function read(expression: string): CronRule {
  if (expression.length > maxChars) {
    throw cronInvalid(expression, `it is longer than ${maxChars} characters`)
  }
  const trimmed = expression.trim().split(/\s+/).join(' ')
  const fields = (trimmed.startsWith('@') ? expandMacro(trimmed) : trimmed).split(' ')
  if (trimmed === '') throw cronInvalid(expression, 'it is empty')
  if (fields.length !== 5 && fields.length !== 6) {
    const count = fields.length === 1 ? '1 field' : `${fields.length} fields`
    throw cronInvalid(expression, `it has ${count}: it takes 5, or 6 with leading seconds`)
  }
  try {
    const rule = readFields(trimmed, fields)
    if (firstDay(rule, { year: 2000, month: 1, day: 1 }, calendarCycleYears)) return rule
  } catch (error) {
    if (error instanceof FieldError) throw cronInvalid(expression, error.message, error.hint)
    // cron-parser refuses something that the checks before it let pass: its words are the reason.
    throw cronInvalid(expression, error instanceof Error ? error.message : String(error))
  }
  throw cronInvalid(
    expression,
    'it never fires: no month it names has such a day',
    'write L as day of month for the last one',
  )
}

function readFields(expression: string, fields: readonly string[]): CronRule {
  const hasSeconds = fields.length === 6
  const [minute = '', hour = '', dayOfMonth = '', month = '', dayOfWeek = ''] = fields.slice(-5)
  return {
    expression,
    fields,
    hasSeconds,
    seconds: hasSeconds ? parseList('second', fields[0] ?? '') : [0],
    minutes: parseList('minute', minute),
    hours: parseList('hour', hour),
    dayOfMonth: parseDayOfMonth(dayOfMonth),
    months: new Set(parseList('month', month)),
    dayOfWeek: parseDayOfWeek(dayOfWeek),
    isWildcard: minute.startsWith('*') || hour.startsWith('*'),
  }
}

function expandMacro(text: string): string {
  const name = text.toLowerCase()
  const expression = Object.hasOwn(macros, name) ? macros[name] : undefined
  if (expression !== undefined) return expression
  throw cronInvalid(
    text,
    name === '@reboot' ? 'it names no time' : 'there is no such macro',
    `write 5 fields, or one of ${Object.keys(macros).join(', ')}`,
  )
}
