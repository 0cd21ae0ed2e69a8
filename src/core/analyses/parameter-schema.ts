import * as z from 'zod'
import {
  type OptionValue,
  type ParameterDefinition,
  type ParameterOption,
  parameterTypes,
} from './definition.ts'
import { isRecord } from './json-value.ts'
import { didYouMean } from '../units/index.ts'
import { present } from './present.ts'
import { expecting, flag, problemsOf, strict, text } from './schema-helpers.ts'

const optionValue = z.union(
  [z.string(), z.number(), z.boolean()],
  expecting('a text, number or boolean'),
)
const option = z.union(
  [optionValue, strict({ value: optionValue, label: text().nullish() }, 'an option')],
  expecting('an option: a value, or { value, label }'),
)
/** How the sandbox shows a function among plain JSON. */
const functionMarker = z.strictObject({ $function: z.literal(true) })

const bound = z.union([z.number(), z.string()], expecting('a number, or a date'))
const name = z
  .string(expecting('a name'))
  .regex(/^[A-Za-z_][A-Za-z0-9_-]{0,63}$/, expecting('a name of letters, digits, _ and -'))
  .refine((word) => word !== '__proto__', expecting('a name that a script can use'))
const type = z.enum(parameterTypes, {
  error: ({ input }) =>
    typeof input === 'string'
      ? `"${input}" is not a type${didYouMean(input, parameterTypes)} (types: ${parameterTypes.join(', ')})`
      : expecting(`one of ${parameterTypes.join(', ')}`).error({ input }),
})
const names = z.union([name.transform((one) => [one]), z.array(name)], expecting('a list of names'))

const parameter = strict(
  {
    name,
    type,
    required: flag().nullish(),
    default: z.json(expecting('a JSON value')).nullish(),
    description: z.string(expecting('a text')).nullish(),
    options: z
      .union([z.array(option), functionMarker], expecting('a list of options, or a function'))
      .nullish(),
    min: bound.nullish(),
    max: bound.nullish(),
    pattern: z.string(expecting('the text of a regular expression')).nullish(),
    depends_on: names.nullish(),
  },
  'an object with name and type',
)

/** Reads one parameter as the script wrote it; fills in what it left out. */
export function parseParameter(
  raw: unknown,
): { readonly parameter: ParameterDefinition } | { readonly error: z.ZodError } {
  const parsed = parameter.safeParse(raw)
  if (!parsed.success) return { error: parsed.error }
  const { data } = parsed
  return {
    parameter: {
      name: data.name,
      type: data.type,
      isRequired: data.required ?? false,
      dependsOn: data.depends_on ?? [],
      ...present({
        default: data.default,
        description: data.description,
        options: Array.isArray(data.options)
          ? data.options.map(toOption)
          : data.options && ('dynamic' as const),
        min: data.min,
        max: data.max,
        pattern: data.pattern,
      }),
    },
  }
}

/**
 * Reads what an `options` function returned: values, or `{ value, label }`, each once.
 *
 * @returns the choices, or what is wrong with them in the words of the script's author.
 */
export function readOptions(raw: unknown): readonly ParameterOption[] | string {
  const parsed = z.array(option, expecting('a list of options')).safeParse(raw)
  if (!parsed.success) {
    return problemsOf(parsed.error, ['options'])
      .slice(0, 3)
      .map(({ path, message }) => `${path} ${message}`)
      .join('; ')
  }
  const seen = new Set<OptionValue>()
  return parsed.data.map(toOption).filter(({ value }) => {
    if (seen.has(value)) return false
    seen.add(value)
    return true
  })
}

function toOption(
  raw: OptionValue | { readonly value: OptionValue; readonly label?: string | null | undefined },
): ParameterOption {
  return isRecord(raw)
    ? { value: raw.value, label: raw.label ?? String(raw.value) }
    : { value: raw, label: String(raw) }
}
