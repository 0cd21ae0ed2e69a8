import { databaseError, isDatabaseError } from '../../core/database/database-errors.ts'
import { KilnError } from '../../core/errors/index.ts'
import { maskPasswords, printableLines } from '../../core/units/index.ts'

/**
 * Turns anything thrown into a coded error. What has no code is a defect of Kiln: its stack is
 * shown only with `--log-level debug`, since it helps no operator.
 */
export function toKilnError(error: unknown, databaseLabel?: string): KilnError {
  if (error instanceof KilnError) return error
  if (isDatabaseError(error)) return databaseError(error, databaseLabel)
  const message = error instanceof Error ? error.message : String(error)
  return new KilnError('INTERNAL', message, {
    cause: error,
    hint: 'this is a defect in Kiln: please report it with the output of --log-level debug',
  })
}

/**
 * One to three lines for people, or one JSON line. Passwords in URLs are masked: an error of the
 * parser repeats what was typed, and a URL in the wrong place is a usual slip.
 */
export function errorText(error: KilnError, asJson: boolean): string {
  const message = maskPasswords(error.message)
  const hint = error.hint === undefined ? null : maskPasswords(error.hint)
  if (!asJson) {
    const line = `error: ${printableLines(message)} [${error.code}]`
    return hint === null ? line : `${line}\nhint: ${printableLines(hint)}`
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
      },
    },
    masked,
  )
}
