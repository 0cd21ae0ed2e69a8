import { KilnError } from '../errors/index.ts'
import { didYouMean } from '../units/index.ts'
import type { AnalysisDefinition, ParameterDefinition, ParameterOption } from './definition.ts'
import type { JsonRecord } from './json-value.ts'
import type { Moment } from './relative-date.ts'
import { resolveParameters } from './resolve-parameters.ts'

/**
 * The parameter whose options are asked for.
 *
 * @throws KilnError PARAMETER_INVALID when there is none of the name, or it is no choice.
 */
export function requireChoice(
  definition: Pick<AnalysisDefinition, 'parameters'>,
  name: string,
): ParameterDefinition {
  const parameters = definition.parameters ?? []
  const parameter = parameters.find((one) => one.name === name)
  const choices = parameters.filter((one) => one.options !== undefined).map((one) => one.name)
  const hint =
    choices.length === 0 ? 'no parameter of it has options' : `ask for ${choices.join(' or ')}`
  if (!parameter) {
    const near = didYouMean(
      name,
      parameters.map((one) => one.name),
    )
    throw new KilnError('PARAMETER_INVALID', `there is no parameter "${name}"${near}`, { hint })
  }
  if (parameter.options !== undefined) return parameter
  throw new KilnError(
    'PARAMETER_INVALID',
    `parameter "${name}" has no options: its type is ${parameter.type}`,
    { hint },
  )
}

/**
 * The parameters as the options function of one of them gets them: what is given is checked, defaults
 * are filled in, and nothing is required but what that one depends on. A value of its own is not
 * looked at.
 *
 * @throws KilnError PARAMETER_INVALID naming everything that is wrong.
 */
export function resolveForOptions(
  definition: Pick<AnalysisDefinition, 'parameters'>,
  parameter: ParameterDefinition,
  given: Readonly<Record<string, unknown>>,
  moment: Moment,
): JsonRecord {
  const others = (definition.parameters ?? [])
    .filter(({ name }) => name !== parameter.name)
    .map((one) => ({ ...one, isRequired: false }))
  const values = Object.fromEntries(
    Object.entries(given).filter(([name]) => name !== parameter.name),
  )
  const resolved = resolveParameters({ parameters: others }, values, moment)
  const missing = parameter.dependsOn.filter((name) => !Object.hasOwn(resolved, name))
  if (missing.length === 0) return resolved
  throw new KilnError(
    'PARAMETER_INVALID',
    `the options of "${parameter.name}" depend on ${missing.join(' and ')}, which has no value`,
    { hint: missing.map((name) => `add --param ${name}=VALUE`).join(', ') },
  )
}

/**
 * Reads what an `options` function returned: values, or `{ value, label }`, each value once.
 *
 * @throws KilnError OPTIONS_FAILED saying what is wrong with them.
 */
export async function requireOptions(
  parameter: ParameterDefinition,
  returned: unknown,
): Promise<readonly ParameterOption[]> {
  // Loaded when needed: commands that only list have no use for zod.
  const { readOptions } = await import('./parameter-schema.ts')
  const options = readOptions(returned)
  if (typeof options !== 'string') return options
  throw new KilnError(
    'OPTIONS_FAILED',
    `the options function of parameter "${parameter.name}" returned no options: ${options}`,
    { hint: 'return a list of values, or of { value, label }' },
  )
}
