import { Refusal } from './refusal.ts'

export function quoteIdentifier(name: string): string {
  return `"${name.replaceAll('"', '""')}"`
}

export function quoteText(text: string): string {
  return `'${text.replaceAll("'", "''")}'`
}

/** `orders`, `main.orders`, `"odd.name"` as the caller wrote it, made safe to stand in SQL. */
export function quoteTableName(name: string): string {
  const part = /\s*(?:"((?:[^"]|"")+)"|([^".\s][^".]*))\s*(\.|$)/y
  const parts: string[] = []
  while (part.lastIndex < name.length) {
    const match = part.exec(name)
    if (!match) throw new Refusal(`not a table name: ${JSON.stringify(name)}`)
    parts.push((match[1]?.replaceAll('""', '"') ?? match[2] ?? '').trim())
    if (match[3] === '' && part.lastIndex === name.length) break
    if (match[3] === '.' && part.lastIndex === name.length) parts.push('')
  }
  if (parts.length === 0 || parts.length > 3 || parts.includes('')) {
    throw new Refusal(`not a table name: ${JSON.stringify(name)}`)
  }
  refuseOwnSchema(name)
  return parts.map(quoteIdentifier).join('.')
}

/** Where the project's database keeps what was committed by whom: not for scripts. */
export const ownSchema = '_kiln'

/** By its letters, wherever they stand: there is no other way to write the name of what is changed. */
export function refuseOwnSchema(text: string): void {
  if (text.toLowerCase().includes(ownSchema)) {
    throw new Refusal(`${ownSchema} is a schema of Kiln's own`)
  }
}
