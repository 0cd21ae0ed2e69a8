import { databaseError, isDatabaseError } from '../../core/database/database-errors.ts'
import { KilnError } from '../../core/errors/index.ts'
import { printableLines } from './printable.ts'

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
  return plainErrorText(error, asJson)
    .replace(urlPassword, '$1***@')
    .replace(parameterPassword, '$1***')
}

const urlPassword = /(\b[a-z][a-z0-9+.-]*:\/\/[^\s/:@]*:)[^\s@]+@/gi
const parameterPassword = /([?&]password=)[^\s&"\\]+/gi

function plainErrorText(error: KilnError, asJson: boolean): string {
  if (asJson) {
    return JSON.stringify({
      error: {
        code: error.code,
        message: error.message,
        exit_code: error.exitCode,
        retryable: error.isRetryable,
        hint: error.hint ?? null,
        ...(error.details ? { details: error.details } : {}),
      },
    })
  }
  const lines = [`error: ${printableLines(error.message)} [${error.code}]`]
  if (error.hint) lines.push(`hint: ${printableLines(error.hint)}`)
  return lines.join('\n')
}
