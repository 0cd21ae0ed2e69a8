import { type ErrorCode, type ExitCode, errorTable } from './error-table.ts'

export interface KilnErrorOptions {
  /** One imperative sentence that names the command or setting that mends it. */
  readonly hint?: string
  /** Facts for `--json`; never a secret. */
  readonly details?: Readonly<Record<string, unknown>>
  readonly cause?: unknown
}

/**
 * The one error class of Kiln. `code` is stable and comes from the error table, which also gives
 * the exit code and whether a retry can help. The message says what failed, on what, in lower
 * case and without a full stop.
 */
export class KilnError extends Error {
  override readonly name = 'KilnError'
  readonly code: ErrorCode
  readonly hint: string | undefined
  readonly details: Readonly<Record<string, unknown>> | undefined

  constructor(code: ErrorCode, message: string, options: KilnErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.code = code
    this.hint = options.hint
    this.details = options.details
  }

  get exitCode(): ExitCode {
    return errorTable[this.code].exitCode
  }

  get isRetryable(): boolean {
    return errorTable[this.code].retryable
  }
}

/** True for a KilnError, with one of the given codes if any are given. */
export function isKilnError(error: unknown, ...codes: readonly ErrorCode[]): error is KilnError {
  return error instanceof KilnError && (codes.length === 0 || codes.includes(error.code))
}

/**
 * The message of anything that was thrown. Connecting to a name with several addresses fails with one
 * error for each, and with no words of its own.
 */
export function messageOf(error: unknown): string {
  if (error instanceof AggregateError && error.message === '') {
    return [...new Set(error.errors.map(messageOf))].join('; ')
  }
  return error instanceof Error ? error.message : String(error)
}

/** The `code` of a system or database error, such as `ENOENT` or `23505`. */
export function errorCodeOf(error: unknown): string | undefined {
  if (typeof error !== 'object' || error === null || !('code' in error)) return undefined
  return typeof error.code === 'string' ? error.code : undefined
}
