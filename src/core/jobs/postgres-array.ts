/** The text that Postgres reads as an array of these texts, for arrays inside an array. */
export function postgresArray(texts: readonly string[]): string {
  if (texts.length === 0) return '{}'
  const quoted = texts.map((text) => `"${text.replaceAll(/["\\]/g, String.raw`\$&`)}"`)
  return `{${quoted.join(',')}}`
}
