import { KilnError } from '../../errors/index.ts'

const blank = /\s*/y
const string = /'[^']*(?:''[^']*)*'/y
const escapedString = /[eE]'[^'\\]*(?:(?:\\[^]|'')[^'\\]*)*'/y
const word = /null\b|true\b|false\b|[-+]?(?:\d+\.?\d*|\.\d+)(?:e[-+]?\d+)?|b'[01]*'/iy
const cast =
  /::\s*(?:"[^"]+"|[A-Za-z_][\w.]*)(?:\s+(?:varying|precision|with(?:out)?\s+time\s+zone))*(?:\s*\(\s*\d+(?:\s*,\s*\d+)?\s*\))?(?:\[\])*/y

/**
 * Turns the rows of `INSERT … VALUES` into rows of COPY. Only literals are read, as pg_dump writes them:
 * whatever else stands in such a place would be run by the server, and a dump is not trusted with that.
 *
 * @throws KilnError BACKUP_DATA_INVALID.
 */
export function rowsOfInsert(values: string, table: string): string[][] {
  const reader = new ValueReader(values, table)
  const rows: string[][] = []
  for (;;) {
    rows.push(reader.row())
    const next = reader.take(/,|;|on\s+conflict\s+do\s+nothing\s*;/iy)
    if (next !== ',') return rows
  }
}

/** A row of COPY text, with its line feed. */
export const copyLine = (fields: readonly string[]): string => `${fields.join('\t')}\n`

class ValueReader {
  readonly #text: string
  readonly #table: string
  #position = 0

  constructor(text: string, table: string) {
    this.#text = text
    this.#table = table
  }

  row(): string[] {
    const fields: string[] = []
    this.take(/\(/y)
    for (;;) {
      fields.push(this.#value())
      if (this.take(/[,)]/y) === ')') return fields
    }
  }

  take(pattern: RegExp): string {
    const found = this.#try(pattern)
    if (found !== undefined) return found
    const near = this.#text.slice(this.#position, this.#position + 20).split('\n')[0]
    throw new KilnError(
      'BACKUP_DATA_INVALID',
      `an INSERT into ${this.#table} is not as pg_dump writes it, near ${JSON.stringify(near)}`,
      { hint: 'make the dump with pg_dump: nothing was changed' },
    )
  }

  #value(): string {
    const plain = this.#try(string)
    const escaped = plain === undefined ? this.#try(escapedString) : undefined
    const field =
      plain !== undefined
        ? copyField(plain.slice(1, -1).replaceAll("''", "'"))
        : escaped !== undefined
          ? copyField(unescaped(escaped.slice(2, -1)))
          : fieldOfWord(this.take(word))
    this.#try(cast)
    return field
  }

  #try(pattern: RegExp): string | undefined {
    blank.lastIndex = this.#position
    blank.exec(this.#text)
    pattern.lastIndex = blank.lastIndex
    const found = pattern.exec(this.#text)?.[0]
    if (found !== undefined) this.#position = pattern.lastIndex
    return found
  }
}

function fieldOfWord(text: string): string {
  if (/^null$/i.test(text)) return '\\N'
  return /^b'/i.test(text) ? text.slice(2, -1) : text.toLowerCase()
}

const copyEscapes: Readonly<Record<string, string>> = {
  '\\': '\\\\',
  '\n': '\\n',
  '\r': '\\r',
  '\t': '\\t',
  '\b': '\\b',
  '\f': '\\f',
  '\v': '\\v',
}

const copyField = (text: string): string =>
  text.replace(/[\\\n\r\t\b\f\v]/g, (character) => copyEscapes[character] ?? character)

const stringEscapes: Readonly<Record<string, string>> = {
  b: '\b',
  f: '\f',
  n: '\n',
  r: '\r',
  t: '\t',
}

/** E'…' with the escapes that pg_dump uses, and those by number. */
const unescaped = (text: string): string =>
  text.replace(/\\(x[0-9a-fA-F]{1,2}|[0-7]{1,3}|[^])|''/g, (whole, code: string | undefined) => {
    if (code === undefined) return "'"
    if (/^x./.test(code)) return String.fromCharCode(Number.parseInt(code.slice(1), 16))
    if (/^[0-7]/.test(code)) return String.fromCharCode(Number.parseInt(code, 8) & 0xff)
    return stringEscapes[code] ?? (whole.length > 2 ? whole : code)
  })
