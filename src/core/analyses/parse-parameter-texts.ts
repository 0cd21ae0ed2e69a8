import { KilnError } from '../errors/index.ts'
import type { AnalysisDefinition, ParameterDefinition } from './definition.ts'
import { type JsonRecord, type JsonValue, quoted } from './json-value.ts'

/**
 * Reads name and text pairs of a command line by the declared types: numbers, true and false, JSON
 * for objects and arrays, JSON or a comma list for multiselect. A text that is no value of its type
 * stays as it is, so that `resolveParameters` reports it with everything else. Without declarations
 * a text that is JSON is read as JSON, any other is a text.
 *
 * @throws KilnError USAGE for a name given twice.
 */
export function parseParameterTexts(
  definition: Pick<AnalysisDefinition, 'parameters'> | null,
  pairs: readonly (readonly [name: string, text: string])[],
): JsonRecord {
  const values = new Map<string, JsonValue>()
  for (const [name, text] of pairs) {
    if (values.has(name)) {
      throw new KilnError('USAGE', `parameter ${quoted(name)} is given twice`, {
        hint: 'give each parameter once; a list is written name=a,b,c',
      })
    }
    values.set(name, parseText(definition?.parameters ?? null, name, text))
  }
  return Object.fromEntries(values)
}

function parseText(
  parameters: readonly ParameterDefinition[] | null,
  name: string,
  text: string,
): JsonValue {
  if (parameters === null) return jsonOr(text)
  const parameter = parameters.find((candidate) => candidate.name === name)
  switch (parameter?.type) {
    case 'number':
    case 'integer':
      return parseNumber(text) ?? text
    case 'boolean':
      return parseBoolean(text) ?? text
    case 'object':
    case 'array':
      return jsonOr(text)
    case 'select':
      return optionOf(parameter, text)
    case 'multiselect':
      return parseList(parameter, text)
    case 'string':
    case 'text':
    case 'date':
    case undefined:
      return text
  }
}

function parseNumber(text: string): number | undefined {
  return /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(text.trim()) ? Number(text) : undefined
}

function parseBoolean(text: string): boolean | undefined {
  const word = text.trim().toLowerCase()
  if (['true', 'yes', 'on', '1'].includes(word)) return true
  return ['false', 'no', 'off', '0'].includes(word) ? false : undefined
}

function jsonOr(text: string): JsonValue {
  try {
    return JSON.parse(text) as JsonValue
  } catch {
    // Not JSON: it stands as the text it is.
    return text
  }
}

function parseList(parameter: ParameterDefinition, text: string): JsonValue {
  if (text.trim().startsWith('[')) return jsonOr(text)
  if (text.trim() === '') return []
  return text.split(',').map((item) => optionOf(parameter, item.trim()))
}

/** Options may be numbers or booleans; on a command line all are texts. */
function optionOf({ options }: ParameterDefinition, text: string): JsonValue {
  if (options === 'dynamic' || !options) return text
  return options.find((option) => String(option.value) === text)?.value ?? text
}
