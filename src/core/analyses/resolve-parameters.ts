import { KilnError } from '../errors/index.ts'
import { checkValue, listed } from './check-value.ts'
import type { AnalysisDefinition, ParameterDefinition } from './definition.ts'
import { type JsonRecord, type JsonValue, isRecord, quoted } from './json-value.ts'
import { didYouMean } from '../units/index.ts'
import type { Moment } from './relative-date.ts'

export interface ParameterProblem {
  readonly parameter: string
  readonly message: string
}

/**
 * What a script gets as parameters: the given values checked, defaults filled in, relative dates
 * turned into days at the moment given (the occurrence of a scheduled job, not the time of
 * running). Null counts as not given; an optional parameter without a value is left out. Pure.
 *
 * @throws KilnError PARAMETER_INVALID naming everything that is wrong.
 */
export function resolveParameters(
  definition: Pick<AnalysisDefinition, 'parameters'>,
  given: unknown,
  moment: Moment,
): JsonRecord {
  if (!isRecord(given)) {
    throw parametersInvalid([{ parameter: '', message: `${quoted(given)} is not a JSON object` }])
  }
  const values = given as JsonRecord
  const { parameters } = definition
  if (parameters === null) return values

  const names = parameters.map((parameter) => parameter.name)
  const problems: ParameterProblem[] = Object.keys(values)
    .filter((name) => !names.includes(name))
    .map((name) => ({ parameter: name, message: `is unknown${didYouMean(name, names)}` }))

  const resolved = new Map<string, JsonValue>()
  const refused = new Set<string>()
  const refuse = (parameter: string, message: string): void => {
    refused.add(parameter)
    problems.push({ parameter, message })
  }
  for (const parameter of dependenciesFirst(parameters)) {
    const missing = parameter.dependsOn.filter((name) => !resolved.has(name))
    if (missing.some((name) => refused.has(name))) continue
    const isGiven = Object.hasOwn(values, parameter.name) && values[parameter.name] !== null
    const value = isGiven ? values[parameter.name] : parameter.default
    if (missing.length > 0) {
      // It has no meaning without the ones it depends on: neither required nor filled in.
      if (isGiven) refuse(parameter.name, `needs ${missing.join(' and ')} too`)
      continue
    }
    if (value === undefined || value === null) {
      if (parameter.isRequired) refuse(parameter.name, 'is missing')
      continue
    }
    const checked = checkValue(parameter, value, moment)
    if ('problem' in checked) refuse(parameter.name, checked.problem)
    else resolved.set(parameter.name, checked.value)
  }
  if (problems.length > 0) throw parametersInvalid(problems, names)
  return Object.fromEntries(
    names.flatMap((name) => {
      const value = resolved.get(name)
      return value === undefined ? [] : [[name, value]]
    }),
  )
}

function parametersInvalid(
  problems: readonly ParameterProblem[],
  names: readonly string[] = [],
): KilnError {
  const texts = problems.map(({ parameter, message }) =>
    parameter === '' ? `parameters: ${message}` : `parameter ${quoted(parameter)} ${message}`,
  )
  return new KilnError('PARAMETER_INVALID', texts.join('; '), {
    hint:
      names.length === 0
        ? 'give the parameters that the analysis declares'
        : `give its parameters: ${listed(names)}`,
    details: { problems },
  })
}

/** Declared order, except that a parameter comes after those it depends on (there are no cycles). */
function dependenciesFirst(parameters: readonly ParameterDefinition[]): ParameterDefinition[] {
  const byName = new Map(parameters.map((parameter) => [parameter.name, parameter]))
  const ordered = new Set<ParameterDefinition>()
  const visit = (parameter: ParameterDefinition): void => {
    if (ordered.has(parameter)) return
    for (const name of parameter.dependsOn) {
      const dependency = byName.get(name)
      if (dependency) visit(dependency)
    }
    ordered.add(parameter)
  }
  parameters.forEach(visit)
  return [...ordered]
}
