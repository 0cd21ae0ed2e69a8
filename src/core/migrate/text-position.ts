/** A place in a file as editors count it: both from 1, the column in characters. */
export interface TextPosition {
  readonly line: number
  readonly column: number
}

/** Line and column of an offset (in UTF-16 units) in a text. */
export function positionAt(text: string, offset: number): TextPosition {
  const before = text.slice(0, offset)
  const lineStart = before.lastIndexOf('\n') + 1
  return {
    line: before.split('\n').length,
    column: Array.from(before.slice(lineStart)).length + 1,
  }
}

/** Postgres counts characters, JavaScript UTF-16 units: the offset of the nth character. */
export function offsetOfCharacter(text: string, characters: number): number {
  let offset = 0
  for (const character of text) {
    if (characters <= 0) break
    offset += character.length
    characters -= 1
  }
  return offset
}
