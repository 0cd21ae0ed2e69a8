/**
 * The text that Postgres reads as an array of these. The driver can do it too, but looks at each
 * element much longer, and knows no array of arrays.
 */
export function postgresArray(texts: readonly (string | null)[]): string {
  if (texts.length === 0) return '{}'
  return `{${texts.map((text) => (text === null ? 'NULL' : quoted(text))).join(',')}}`
}

function quoted(text: string): string {
  const needsEscapes = text.includes('"') || text.includes('\\')
  return `"${needsEscapes ? text.replaceAll(/["\\]/g, String.raw`\$&`) : text}"`
}

/** The same for ids and numbers, which need no quotes. */
export function plainArray(values: readonly (string | number | null)[]): string {
  return `{${values.map((value) => value ?? 'NULL').join(',')}}`
}
