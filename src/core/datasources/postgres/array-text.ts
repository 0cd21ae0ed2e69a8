/** An array of Postgres as its elements' texts, nested as deep as it has dimensions. */
export type ArrayText = readonly (string | null | ArrayText)[]

/**
 * Reads Postgres' text of an array: `{1,NULL,"a \"b\"",{…}}`. Bounds other than 1 stand before it,
 * as in `[0:1]={a,b}`, and are dropped.
 */
export function parseArrayText(text: string): ArrayText {
  const start = text.startsWith('[') ? text.indexOf('=') + 1 : 0
  const { items, end } = readItems(text, start)
  if (end !== text.length) throw new Error('an array with something behind it')
  return items
}

function readItems(text: string, start: number): { items: ArrayText; end: number } {
  const items: (string | null | ArrayText)[] = []
  let offset = start + 1
  if (text[start] !== '{') throw new Error('an array that does not begin with a brace')
  if (text[offset] === '}') return { items, end: offset + 1 }
  for (;;) {
    const { item, end } = readItem(text, offset)
    items.push(item)
    offset = end + 1
    if (text[end] === '}') return { items, end: offset }
    if (text[end] !== ',') throw new Error('an array that does not end')
  }
}

const plain = /[^,}]*/y
const quoted = /"((?:[^"\\]|\\[^])*)"/y

function readItem(text: string, offset: number): { item: string | null | ArrayText; end: number } {
  if (text[offset] === '{') {
    const { items, end } = readItems(text, offset)
    return { item: items, end }
  }
  if (text[offset] === '"') {
    quoted.lastIndex = offset
    const match = quoted.exec(text)
    if (!match) throw new Error('an array with a quote that is not closed')
    return { item: (match[1] as string).replaceAll(/\\([^])/g, '$1'), end: quoted.lastIndex }
  }
  plain.lastIndex = offset
  const item = plain.exec(text)?.[0] ?? ''
  return { item: item === 'NULL' ? null : item, end: offset + item.length }
}
