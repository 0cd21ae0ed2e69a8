import * as z from 'zod'
import type { ScriptProblem } from './definition.ts'
import { quoted } from './json-value.ts'
import { didYouMean } from '../units/index.ts'

/** The error text of a schema: what was found and what was expected. */
export const expecting = (expected: string) => ({
  error: (issue: { readonly input?: unknown }) =>
    issue.input === undefined || issue.input === null
      ? `is missing, expected ${expected}`
      : `${quoted(issue.input)} is not ${expected}`,
})

export const text = (expected = 'a text') =>
  z.string(expecting(expected)).min(1, expecting(expected))

export const wholeNumber = (least: number, most: number) => {
  const expected = expecting(`a whole number from ${least} to ${most}`)
  return z.number(expected).int(expected).min(least, expected).max(most, expected)
}

export const flag = () => z.boolean(expecting('true or false'))

/** An object that may have these keys and no other; each unknown key becomes a problem of its own. */
export function strict<Shape extends z.ZodRawShape>(shape: Shape, expected: string) {
  return z.strictObject(shape, {
    error: (issue) =>
      issue.code === 'unrecognized_keys'
        ? issue.keys
            .map((key) => `is unknown${didYouMean(key, Object.keys(shape))}`)
            .join(keySeparator)
        : expecting(expected).error(issue),
  })
}

/** Texts of several unknown keys travel in one message. */
const keySeparator = '\u0000'

/** What zod found, as problems below `root`. */
export function problemsOf(error: z.ZodError, root: readonly PropertyKey[] = []): ScriptProblem[] {
  return error.issues.flatMap((issue) => problemsOfIssue(issue, root))
}

function problemsOfIssue(issue: z.core.$ZodIssue, root: readonly PropertyKey[]): ScriptProblem[] {
  const path = [...root, ...issue.path]
  if (issue.code === 'unrecognized_keys') {
    const messages = issue.message.split(keySeparator)
    return issue.keys.map((key, index) =>
      problemAt([...path, key], messages[index] ?? 'is unknown'),
    )
  }
  // Of several forms the one that fits best: the value has its shape and errs further inside.
  const meant =
    issue.code === 'invalid_union'
      ? issue.errors.find((issues) =>
          issues.every((inner) => inner.path.length > 0 || inner.code === 'unrecognized_keys'),
        )
      : undefined
  if (meant) return meant.flatMap((inner) => problemsOfIssue(inner, path))
  return [problemAt(path, issue.message)]
}

export function problemAt(path: readonly PropertyKey[], message: string): ScriptProblem {
  return { path: pathText(path), message, line: null, column: null, code: 'definition_error' }
}

/** `parameters[2].type`. */
function pathText(path: readonly PropertyKey[]): string {
  return path
    .map((part, index) =>
      typeof part === 'number'
        ? `[${part}]`
        : /^[A-Za-z_$][\w$]*$/.test(String(part))
          ? `${index === 0 ? '' : '.'}${String(part)}`
          : `[${quoted(String(part))}]`,
    )
    .join('')
}
