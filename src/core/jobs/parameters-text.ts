import { isJsonbText } from '../database/index.ts'
import { KilnError } from '../errors/index.ts'

/** A job row takes twice as much: there the text has a blank after each comma and colon. */
const maxBytes = 4 * 1024 ** 2
/** As a trigger of the row says to whoever writes SQL. */
const maxLevels = 100

/**
 * The JSON text of a job's parameters.
 *
 * @throws KilnError PARAMETER_INVALID for what a job row cannot hold.
 */
export function parametersText(parameters: unknown): string {
  if (isDeeper(parameters, maxLevels)) {
    throw tooMuch(`the parameters are nested ${maxLevels} levels deep or more`)
  }
  const text = JSON.stringify(parameters)
  if (Buffer.byteLength(text) > maxBytes) throw tooMuch('the parameters are larger than 4 MB')
  if (isJsonbText(text)) return text
  throw new KilnError(
    'PARAMETER_INVALID',
    'the parameters hold a NUL character or half a surrogate pair, which Postgres cannot store',
    { hint: 'encode such text, for example as base64' },
  )
}

function tooMuch(message: string): KilnError {
  return new KilnError('PARAMETER_INVALID', message, {
    hint: 'put the data where the analysis can read it, and pass its name',
  })
}

/** True when a value lies so many levels below this one. */
function isDeeper(value: unknown, levels: number): boolean {
  if (levels === 0) return true
  if (typeof value !== 'object' || value === null) return false
  return Object.values(value).some((inner) => isDeeper(inner, levels - 1))
}
