/**
 * True when Postgres' jsonb holds a JSON text as it is. It takes neither NUL nor half a surrogate
 * pair; an escaped backslash before such letters is taken for one of them, which errs safely.
 */
export function isJsonbText(text: string): boolean {
  return !/\\u0000|\\ud[89a-f]/i.test(text) && text.isWellFormed()
}
