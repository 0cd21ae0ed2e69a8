import type { Readable } from 'node:stream'
import { KilnError } from '../../errors/index.ts'
import { splitStatements } from '../../migrate/index.ts'

/**
 * A step of a plain dump. Text is latin1, one character a byte, so that it can be turned back into the
 * bytes of the file whatever their encoding is.
 */
export type DumpItem =
  | { readonly kind: 'statement'; readonly text: string }
  /** Of psql: a line that begins with a backslash. */
  | { readonly kind: 'command' }

const header = '-- PostgreSQL database dump'
const trailer = `${header} complete`
const lineFeed = 0x0a
/** U+FEFF in UTF-8. */
const byteOrderMark = Buffer.from([0xef, 0xbb, 0xbf])

/**
 * Reads a dump as pg_dump writes it, piece by piece, without ever holding all of it. After the statement
 * `COPY … FROM stdin` its rows must be taken by `copyData` before anything else.
 */
export class DumpReader {
  readonly #source: AsyncIterator<Buffer>
  readonly #name: string
  /** Behind the text: bytes that have not been looked at. */
  #buffer: Buffer = Buffer.alloc(0)
  /** Whole lines behind the last statement. */
  #text = ''
  #isAtStart = true
  #hasEnded = false
  #hasHeader = false
  #hasTrailer = false
  #pushedBack: DumpItem | undefined

  constructor(source: Readable, name: string) {
    this.#source = source[Symbol.asyncIterator]() as AsyncIterator<Buffer>
    this.#name = name
  }

  /** The next statement or command; undefined at the end of a complete dump. */
  async next(): Promise<DumpItem | undefined> {
    const pushed = this.#pushedBack
    this.#pushedBack = undefined
    return pushed ?? (await this.#read())
  }

  /** Gives an item back to be the next. */
  pushBack(item: DumpItem): void {
    this.#pushedBack = item
  }

  /** The rows after `COPY … FROM stdin`, without the mark of their end. */
  async *copyData(): AsyncGenerator<Buffer> {
    this.#buffer = Buffer.concat([Buffer.from(this.#text, 'latin1'), this.#buffer])
    this.#text = ''
    let isLineStart = true
    for (;;) {
      const buffer = this.#buffer
      const isFirst = isLineStart && buffer[0] === 0x5c && buffer[1] === 0x2e
      const mark = isFirst ? 0 : buffer.indexOf('\n\\.') + 1
      if (isFirst || mark > 0) {
        const end = this.#endOfMark(mark)
        if (end !== undefined) {
          if (mark > 0) yield buffer.subarray(0, mark)
          this.#buffer = buffer.subarray(end === -1 ? mark + 2 : end)
          isLineStart = false
          if (end !== -1) return
          // A row that only begins like the mark.
          yield buffer.subarray(mark, mark + 2)
          continue
        }
        if (mark > 0) yield buffer.subarray(0, mark)
        this.#buffer = buffer.subarray(mark)
        isLineStart = true
      } else if (buffer.length > 2) {
        yield buffer.subarray(0, buffer.length - 2)
        this.#buffer = buffer.subarray(buffer.length - 2)
        isLineStart = false
      }
      if (!(await this.#more())) throw this.#cut('in the middle of the rows of a table')
    }
  }

  /** Where the mark's line ends; -1 when it is none; undefined when that cannot be seen yet. */
  #endOfMark(mark: number): number | undefined {
    const after = this.#buffer.subarray(mark + 2, mark + 4).toString('latin1')
    if (after.startsWith('\n')) return mark + 3
    if (after === '\r\n') return mark + 4
    if (this.#hasEnded && after === '') return mark + 2
    return after === '' || after === '\r' ? undefined : -1
  }

  /** Reads on until the buffer has at least one more byte; false at the end. */
  async #more(): Promise<boolean> {
    if (this.#hasEnded) return false
    const value = await this.#pull()
    if (value === undefined) {
      this.#hasEnded = true
      // Once more: what was not clear before is now.
      return this.#buffer.length > 0 && this.#endOfMark(0) === 2
    }
    this.#buffer = this.#buffer.length === 0 ? value : Buffer.concat([this.#buffer, value])
    return true
  }

  /**
   * The next bytes of the file; undefined at its end. Programs of Windows put a mark in front of text,
   * which would be taken for the first word of the first statement: an INSERT would pass for DDL.
   */
  async #pull(): Promise<Buffer | undefined> {
    const { value, done } = await this.#source.next()
    if (done) return undefined
    const isMarked =
      this.#isAtStart && value.subarray(0, byteOrderMark.length).equals(byteOrderMark)
    this.#isAtStart = false
    return isMarked ? value.subarray(byteOrderMark.length) : value
  }

  /** Text up to and with a line feed; undefined at the end. */
  async #lines(): Promise<string | undefined> {
    const chunks = [this.#buffer]
    while (!this.#hasEnded && !chunks.at(-1)?.includes(lineFeed)) {
      const value = await this.#pull()
      if (value === undefined) this.#hasEnded = true
      else chunks.push(value)
    }
    const all = chunks.length === 1 ? this.#buffer : Buffer.concat(chunks)
    const end = this.#hasEnded ? all.length : all.lastIndexOf(lineFeed) + 1
    // A statement of COPY ends its line: what follows are rows, which are not text to look at.
    const text = all.toString('latin1', 0, end)
    this.#buffer = all.subarray(end)
    return text === '' ? undefined : text
  }

  async #read(): Promise<DumpItem | undefined> {
    const scan = new StatementScan()
    for (;;) {
      const lines = this.#text === '' ? await this.#lines() : this.#text
      this.#text = ''
      if (lines === undefined) {
        this.#note(scan.text)
        if (!scan.isBlank) throw this.#cut('in the middle of a statement')
        if (this.#hasHeader && !this.#hasTrailer) throw this.#cut('before its end')
        return undefined
      }
      const found = scan.add(lines)
      if (!found) continue
      this.#text = scan.text.slice(found.end)
      this.#note(scan.text.slice(0, found.end))
      if (found.kind === 'command') return { kind: 'command' }
      return { kind: 'statement', text: scan.text.slice(found.start, found.end) }
    }
  }

  /** Comments say whether pg_dump has written all of it. */
  #note(text: string): void {
    if (!this.#hasHeader && text.includes(header)) this.#hasHeader = true
    if (!this.#hasTrailer && text.includes(trailer)) this.#hasTrailer = true
  }

  #cut(where: string): KilnError {
    return new KilnError('BACKUP_DATA_INVALID', `${this.#name} is cut off ${where}`, {
      hint: 'make the dump again, or copy it again: nothing was changed',
    })
  }
}

interface Found {
  readonly kind: 'statement' | 'command'
  readonly start: number
  /** After the line of a command, and of a statement that ends its line. */
  readonly end: number
}

/** The look for the end of one statement, which goes on where it stopped when more lines come. */
class StatementScan {
  text = ''
  #position = 0
  #start = -1
  #state: 'plain' | 'single' | 'escaped' | 'double' | 'dollar' | 'block' = 'plain'
  #tag = ''
  #depth = 0

  /** Nothing but blanks and comments so far. */
  get isBlank(): boolean {
    return this.#start < 0 && this.#state === 'plain'
  }

  add(lines: string): Found | undefined {
    this.text += lines
    const { text } = this
    while (this.#position < text.length) {
      if (this.#state !== 'plain') {
        if (!this.#leave()) return undefined
        continue
      }
      const at = this.#position
      const character = text[at]
      if (character === ';') {
        this.#position = at + 1
        if (this.#start < 0) continue
        if (isOpenBody(text.slice(this.#start, at + 1))) continue
        const lineEnd = /\r?\n/y
        lineEnd.lastIndex = at + 1
        return {
          kind: 'statement',
          start: this.#start,
          end: lineEnd.test(text) ? lineEnd.lastIndex : at + 1,
        }
      }
      if (character === '\\' && this.#start < 0) {
        const end = text.indexOf('\n', at)
        return { kind: 'command', start: at, end: end < 0 ? text.length : end + 1 }
      }
      this.#enter(at)
    }
    return undefined
  }

  /** Steps over one token, or into what has to be closed. */
  #enter(at: number): void {
    token.lastIndex = at
    const groups = token.exec(this.text)?.groups
    this.#position = token.lastIndex
    if (groups?.blank !== undefined) return
    if (groups?.block !== undefined) {
      this.#state = 'block'
      this.#depth = 1
      return
    }
    if (this.#start < 0) this.#start = at
    if (groups?.dollar !== undefined) {
      this.#state = 'dollar'
      this.#tag = groups.dollar
    } else if (groups?.escaped !== undefined) this.#state = 'escaped'
    else if (groups?.quote === "'") this.#state = 'single'
    else if (groups?.quote === '"') this.#state = 'double'
  }

  /** Steps behind what closes the state; false when it is not there yet. */
  #leave(): boolean {
    const { text } = this
    if (this.#state === 'block') return this.#leaveBlock()
    if (this.#state === 'escaped') {
      inEscaped.lastIndex = this.#position
      inEscaped.exec(text)
      this.#position = inEscaped.lastIndex
      // A backslash at the very end belongs to what comes next.
      if (text[this.#position] !== "'") return false
      this.#position += 1
      this.#state = 'plain'
      return true
    }
    const close = this.#state === 'dollar' ? this.#tag : this.#state === 'single' ? "'" : '"'
    const at = text.indexOf(close, this.#position)
    // A doubled quote closes and opens again, which is the same.
    this.#position = at < 0 ? text.length : at + close.length
    if (at < 0) return false
    this.#state = 'plain'
    return true
  }

  #leaveBlock(): boolean {
    const edge = /\/\*|\*\//g
    edge.lastIndex = this.#position
    for (let match = edge.exec(this.text); match; match = edge.exec(this.text)) {
      this.#position = edge.lastIndex
      this.#depth += match[0] === '/*' ? 1 : -1
      if (this.#depth === 0) {
        this.#state = 'plain'
        return true
      }
    }
    this.#position = this.text.length
    return false
  }
}

const token =
  /(?<blank>\s+|--[^\n]*)|(?<block>\/\*)|(?<dollar>\$(?:[A-Za-z_\u0080-\uffff][\w\u0080-\uffff]*)?\$)|(?<escaped>[eE]')|(?<quote>['"])|[A-Za-z_\u0080-\uffff][\w$\u0080-\uffff]*|[^]/y
const inEscaped = /[^'\\]*(?:(?:\\[^]|'')[^'\\]*)*/y

/** True within `begin atomic … end`, whose semicolons end no statement. */
function isOpenBody(text: string): boolean {
  if (!/^create\s+(or\s+replace\s+)?(function|procedure)\b[^]*\bbegin\s+atomic\b/i.test(text))
    return false
  const { segments } = splitStatements(text)
  return !(segments.length === 1 && /\bend\s*;\s*$/i.test(text) && isClosed(text))
}

/** One more statement after it is one of its own only when the body has ended. */
const isClosed = (text: string): boolean =>
  splitStatements(`${text}\nselect 1;`).segments.length === 2
