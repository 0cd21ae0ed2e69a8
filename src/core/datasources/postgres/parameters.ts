import { KilnError } from '../../errors/index.ts'
import { typeId } from './type-ids.ts'

/** The text a JSON value is bound as, for a parameter of the type the server found. */
function parameterText(value: unknown, parameterType: number): string | null {
  if (value === null || value === undefined) return null
  if (typeof value === 'string') return value
  if (typeof value === 'number' || typeof value === 'boolean') return String(value)
  const isJson = parameterType === typeId.json || parameterType === typeId.jsonb
  return Array.isArray(value) && !isJson ? arrayLiteral(value) : JSON.stringify(value)
}

export function parameterTexts(
  values: readonly unknown[],
  types: readonly number[],
): (string | null)[] {
  if (values.length !== types.length) {
    throw new KilnError(
      'DATASOURCE_ERROR',
      `the statement has ${types.length} parameters, ${values.length} were given`,
    )
  }
  return values.map((value, index) => {
    const text = parameterText(value, types[index] ?? 0)
    if (text?.includes('\0')) {
      throw new KilnError('DATASOURCE_ERROR', `parameter ${index + 1} has a zero byte in it`)
    }
    return text
  })
}

function arrayLiteral(items: readonly unknown[]): string {
  const parts = items.map((item) => {
    if (item === null || item === undefined) return 'NULL'
    if (Array.isArray(item)) return arrayLiteral(item)
    const text = typeof item === 'string' ? item : JSON.stringify(item)
    return `"${text.replaceAll(/["\\]/g, String.raw`\$&`)}"`
  })
  return `{${parts.join(',')}}`
}
