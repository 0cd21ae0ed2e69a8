import type { ParameterDefinition } from './definition.ts'
import { type JsonValue, isRecord, quoted } from './json-value.ts'
import { matchPattern } from './match-pattern.ts'
import {
  type Moment,
  isCalendarDate,
  isRelativeDate,
  relativeDateNames,
  resolveRelativeDate,
} from './relative-date.ts'

export type CheckedValue = { readonly value: JsonValue } | { readonly problem: string }

const wrong = (value: JsonValue, expected: string): CheckedValue => ({
  problem: `${quoted(value)} is not ${expected}`,
})

/**
 * Checks one value against its parameter; a relative date becomes the day it means at the moment.
 * The problem, if there is one, reads on from the parameter's name.
 */
export function checkValue(
  parameter: ParameterDefinition,
  value: JsonValue,
  moment: Moment,
): CheckedValue {
  switch (parameter.type) {
    case 'string':
    case 'text':
      return typeof value === 'string' ? checkText(parameter, value) : wrong(value, 'a text')
    case 'number':
      return typeof value === 'number' && Number.isFinite(value)
        ? inRange(parameter, value, value, '')
        : wrong(value, 'a number')
    case 'integer':
      return Number.isSafeInteger(value)
        ? inRange(parameter, value, value as number, '')
        : wrong(value, 'a whole number')
    case 'boolean':
      return typeof value === 'boolean' ? { value } : wrong(value, 'true or false')
    case 'date':
      return checkDate(parameter, value, moment)
    case 'select':
      return checkOption(parameter, value)
    case 'multiselect':
      return checkOptions(parameter, value)
    case 'object':
      return isRecord(value) ? { value } : wrong(value, 'an object')
    case 'array':
      return Array.isArray(value)
        ? inRange(parameter, value as JsonValue, value.length, ' items')
        : wrong(value, 'an array')
  }
}

function checkText(parameter: ParameterDefinition, value: string): CheckedValue {
  const ranged = inRange(parameter, value, value.length, ' characters')
  if (parameter.pattern === undefined || 'problem' in ranged) return ranged
  switch (matchPattern(parameter.pattern, value)) {
    case 'match':
      return ranged
    case 'no match':
      return { problem: `${quoted(value)} does not match the pattern ${parameter.pattern}` }
    case 'too slow':
      return { problem: `${quoted(value)} takes too long to match against its pattern` }
  }
}

function checkDate(parameter: ParameterDefinition, value: JsonValue, moment: Moment): CheckedValue {
  if (typeof value !== 'string' || !(isCalendarDate(value) || isRelativeDate(value))) {
    return wrong(value, `a date (YYYY-MM-DD, ${relativeDateNames.join(', ')})`)
  }
  const dayOf = (text: string): string =>
    isRelativeDate(text) ? resolveRelativeDate(text, moment) : text
  const day = dayOf(value)
  const { min, max } = parameter
  // Days of four-digit years compare as texts.
  if (min !== undefined && day < dayOf(String(min)))
    return { problem: `${day} is before ${dayOf(String(min))}` }
  if (max !== undefined && day > dayOf(String(max)))
    return { problem: `${day} is after ${dayOf(String(max))}` }
  return { value: day }
}

function checkOption(parameter: ParameterDefinition, value: JsonValue): CheckedValue {
  if (!['string', 'number', 'boolean'].includes(typeof value)) {
    return wrong(value, 'one of the options')
  }
  // Choices that a function of the script finds are known to the script alone.
  if (parameter.options === 'dynamic' || !parameter.options) return { value }
  const values = parameter.options.map((option) => option.value)
  return values.some((one) => one === value)
    ? { value }
    : wrong(value, `one of ${listed(values.map((one) => String(one)))}`)
}

function checkOptions(parameter: ParameterDefinition, value: JsonValue): CheckedValue {
  if (!Array.isArray(value)) return wrong(value, 'a list of options')
  const items = value as readonly JsonValue[]
  for (const item of items) {
    const checked = checkOption(parameter, item)
    if ('problem' in checked) return checked
  }
  if (new Set(items).size < items.length) return { problem: 'names an option twice' }
  return inRange(parameter, value as JsonValue, items.length, ' options')
}

function inRange(
  { min, max }: ParameterDefinition,
  value: JsonValue,
  measure: number,
  unit: string,
): CheckedValue {
  const what = unit === '' ? `${measure} is` : `has ${measure}${unit}, which is`
  if (typeof min === 'number' && measure < min) return { problem: `${what} less than ${min}` }
  if (typeof max === 'number' && measure > max) return { problem: `${what} more than ${max}` }
  return { value }
}

/** A list that stays on a line. */
export function listed(words: readonly string[]): string {
  return words.length > 12 ? `${words.slice(0, 12).join(', ')}, ...` : words.join(', ')
}
