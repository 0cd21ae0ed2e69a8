import { KilnError } from '../errors/index.ts'

/** The refusal of a cron expression, with its reason. */
export function cronInvalid(expression: string, reason: string, hint?: string): KilnError {
  const shown = expression.length > 100 ? `${expression.slice(0, 100)}…` : expression
  return new KilnError('CRON_INVALID', `cron expression ${JSON.stringify(shown)}: ${reason}`, {
    hint:
      hint ?? 'write minute, hour, day of month, month and day of week, as in "30 2 * * MON-FRI"',
  })
}

/** What is wrong with one field; `parseRule` adds the expression. */
export class FieldError extends Error {
  readonly hint: string | undefined

  constructor(reason: string, hint?: string) {
    super(reason)
    this.hint = hint
  }
}
