import { databaseError, isDatabaseError } from '../../core/database/database-errors.ts'
import { KilnError, messageOf } from '../../core/errors/index.ts'
import { maskPasswords, printableLines } from '../../core/units/index.ts'

/**
 * Turns anything thrown into a coded error. What has no code is a defect of Kiln: its stack is
 * shown only with `--log-level debug`, since it helps no operator.
 */
export function toKilnError(error: unknown, databaseLabel?: string): KilnError {
  if (error instanceof KilnError) return error
  if (isDatabaseError(error)) return databaseError(error, databaseLabel)
  return new KilnError('INTERNAL', messageOf(error), {
    cause: error,
    hint: 'this is a defect in Kiln: please report it with the output of --log-level debug',
  })
}

/**
 * One to three lines for people, or one JSON line. Passwords in URLs are masked: an error of the
 * parser repeats what was typed, and a URL in the wrong place is a usual slip. Of a defect the stack is
 * part of it where that is asked for.
 */
export function errorText(
  error: KilnError,
  { asJson, withStack }: { readonly asJson: boolean; readonly withStack: boolean },
): string {
  const message = maskPasswords(error.message)
  const hint = error.hint === undefined ? null : maskPasswords(error.hint)
  const stack = withStack && error.code === 'INTERNAL' ? maskPasswords(stackOf(error)) : undefined
  if (!asJson) {
    return [
      `error: ${printableLines(message)} [${error.code}]`,
      ...(hint === null ? [] : [`hint: ${printableLines(hint)}`]),
      ...(stack === undefined ? [] : [printableLines(stack)]),
    ].join('\n')
  }
  const { code, exitCode, isRetryable, details } = error
  const masked = (_: string, value: unknown): unknown =>
    typeof value === 'string' ? maskPasswords(value) : value
  return JSON.stringify(
    {
      error: {
        code,
        message,
        exit_code: exitCode,
        retryable: isRetryable,
        hint,
        ...(details ? { details } : {}),
        ...(stack === undefined ? {} : { stack }),
      },
    },
    masked,
  )
}

/** Of what was thrown first: the coded error was made at the edge. */
function stackOf({ cause, stack }: KilnError): string {
  if (cause === undefined) return stack ?? ''
  return cause instanceof Error ? (cause.stack ?? cause.message) : messageOf(cause)
}
