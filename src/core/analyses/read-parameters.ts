import { checkValue } from './check-value.ts'
import type { ParameterDefinition, ScriptProblem } from './definition.ts'
import { isRecord, quoted } from './json-value.ts'
import { patternProblem } from './match-pattern.ts'
import { didYouMean } from '../units/index.ts'
import { parseParameter } from './parameter-schema.ts'
import { isCalendarDate, isRelativeDate } from './relative-date.ts'
import { problemAt, problemsOf } from './schema-helpers.ts'

/** A screenful is a lot; a script that declares more does so to hurt. */
const mostParameters = 200

interface Declared {
  readonly path: readonly PropertyKey[]
  readonly raw: unknown
}

interface Named {
  readonly path: readonly PropertyKey[]
  readonly name: string
}

interface Read {
  readonly path: readonly PropertyKey[]
  readonly parameter: ParameterDefinition
}

/**
 * Reads declared parameters: a list of `{ name, type, … }`, or an object of `{ type, … }` by name.
 * Every problem is found, not only the first.
 */
export function readParameters(raw: unknown): {
  readonly parameters: readonly ParameterDefinition[]
  readonly problems: readonly ScriptProblem[]
} {
  const declared = declarations(raw)
  if (typeof declared === 'string') {
    return { parameters: [], problems: [problemAt(['parameters'], declared)] }
  }
  const problems: ScriptProblem[] = []
  const read: Read[] = []
  for (const { path, raw: one } of declared) {
    const parsed = parseParameter(one)
    if ('error' in parsed) problems.push(...problemsOf(parsed.error, path))
    else read.push({ path, parameter: parsed.parameter })
  }
  // Names count also where something else is wrong with their parameter.
  const named = declared.flatMap(({ path, raw: one }) =>
    isRecord(one) && typeof one.name === 'string' ? [{ path, name: one.name }] : [],
  )
  const known = named.map(({ name }) => name)
  problems.push(
    ...duplicates(named),
    ...read.flatMap((one) => contradictions(one)),
    ...read.flatMap((one) => unknownDependencies(one, known)),
    ...cycles(read),
  )
  return { parameters: read.map((one) => one.parameter), problems }
}

function declarations(raw: unknown): readonly Declared[] | string {
  const entries = Array.isArray(raw)
    ? (raw as readonly unknown[]).map((one, index) => ({ path: ['parameters', index], raw: one }))
    : isRecord(raw)
      ? Object.entries(raw).map(([name, one]) => ({
          path: ['parameters', name],
          raw: isRecord(one) ? { ...one, name: one.name ?? name } : one,
        }))
      : undefined
  if (!entries) return `${quoted(raw)} is not a list of parameters, nor an object of them by name`
  return entries.length > mostParameters ? `are more than ${mostParameters}` : entries
}

function duplicates(named: readonly Named[]): ScriptProblem[] {
  const seen = new Set<string>()
  return named.flatMap(({ path, name }) => {
    if (seen.has(name)) return [problemAt([...path, 'name'], `"${name}" is declared twice`)]
    seen.add(name)
    return []
  })
}

/** What each field may be with the others of its parameter. */
function contradictions({ path, parameter }: Read): ScriptProblem[] {
  const { type, min, max, pattern, options } = parameter
  const problems: ScriptProblem[] = []
  const add = (field: string, message: string): void => {
    problems.push(problemAt([...path, field], message))
  }
  const isChoice = type === 'select' || type === 'multiselect'
  if (isChoice && options === undefined) add('options', `is missing: a ${type} needs its options`)
  if (isChoice && Array.isArray(options) && options.length === 0) add('options', 'is empty')
  if (!isChoice && options !== undefined)
    add('options', `belongs to select and multiselect, not ${type}`)

  for (const field of ['min', 'max'] as const) {
    const problem =
      parameter[field] === undefined ? undefined : boundProblem(type, parameter[field])
    if (problem) add(field, problem)
  }
  const areAlike =
    typeof min === typeof max && ![min, max].some((one) => isRelativeDate(String(one)))
  if (min !== undefined && max !== undefined && areAlike && min > max) {
    add('min', `${min} is greater than max ${max}`)
  }

  if (pattern !== undefined) {
    const problem =
      type === 'string' || type === 'text'
        ? patternProblem(pattern)
        : `belongs to string and text, not ${type}`
    if (problem) add('pattern', problem)
  }
  if (parameter.default !== undefined && problems.length === 0) {
    // What a relative date means changes from day to day, so bounds are checked with fixed ones only.
    const isRelative = [parameter.default, min, max].some(
      (one) => typeof one === 'string' && isRelativeDate(one),
    )
    const { name, isRequired, dependsOn } = parameter
    const checked = checkValue(
      isRelative ? { name, type, isRequired, dependsOn } : parameter,
      parameter.default,
      { now: '2000-01-01T00:00:00Z', timezone: 'UTC' },
    )
    if ('problem' in checked) add('default', checked.problem)
  }
  return problems
}

function boundProblem(
  type: ParameterDefinition['type'],
  value: number | string,
): string | undefined {
  switch (type) {
    case 'date':
      return isCalendarDate(String(value)) || isRelativeDate(String(value))
        ? undefined
        : `${quoted(value)} is not a date`
    case 'number':
      return typeof value === 'number' ? undefined : `${quoted(value)} is not a number`
    case 'integer':
      return Number.isSafeInteger(value) ? undefined : `${quoted(value)} is not a whole number`
    case 'string':
    case 'text':
    case 'array':
    case 'multiselect':
      return Number.isSafeInteger(value) && Number(value) >= 0
        ? undefined
        : `${quoted(value)} is not a length`
    case 'boolean':
    case 'select':
    case 'object':
      return `has no meaning for ${type}`
  }
}

function unknownDependencies({ path, parameter }: Read, known: readonly string[]): ScriptProblem[] {
  return parameter.dependsOn
    .filter((name) => !known.includes(name))
    .map((name) =>
      problemAt([...path, 'depends_on'], `"${name}" is no parameter${didYouMean(name, known)}`),
    )
}

/** One problem for each parameter that leads back to itself. */
function cycles(read: readonly Read[]): ScriptProblem[] {
  const dependencies = new Map(read.map(({ parameter }) => [parameter.name, parameter.dependsOn]))
  const leadsTo = (from: string, target: string, seen: Set<string>): boolean =>
    (dependencies.get(from) ?? []).some((next) => {
      if (next === target) return true
      if (seen.has(next)) return false
      seen.add(next)
      return leadsTo(next, target, seen)
    })
  return read
    .filter(({ parameter }) => leadsTo(parameter.name, parameter.name, new Set()))
    .map(({ path, parameter }) =>
      problemAt([...path, 'depends_on'], `"${parameter.name}" depends on itself in the end`),
    )
}
