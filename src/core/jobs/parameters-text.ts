import { isJsonbText } from '../database/index.ts'
import { KilnError } from '../errors/index.ts'

/**
 * The JSON text of a job's parameters.
 *
 * @throws KilnError PARAMETER_INVALID for text that a job row cannot hold.
 */
export function parametersText(parameters: unknown): string {
  const text = JSON.stringify(parameters)
  if (isJsonbText(text)) return text
  throw new KilnError(
    'PARAMETER_INVALID',
    'the parameters hold a NUL character or half a surrogate pair, which Postgres cannot store',
    { hint: 'encode such text, for example as base64' },
  )
}
