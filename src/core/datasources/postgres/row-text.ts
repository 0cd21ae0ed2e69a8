import { KilnError } from '../../errors/index.ts'
import { type Encode, encoderFor } from './column-encoders.ts'
import type { Column } from './describe.ts'
import { JsonBuffer } from './json-buffer.ts'

/** Rows of one query as the JSON text of an array of objects, written from the server's bytes. */
export class RowText {
  readonly #out = new JsonBuffer()
  readonly #keys: readonly Buffer[]
  readonly #encoders: readonly Encode[]
  readonly #maxBytes: number
  #rowCount = 0

  constructor(columns: readonly Column[], exact: boolean, maxBytes: number) {
    refuseDuplicateNames(columns)
    this.#keys = columns.map(({ name }, index) =>
      Buffer.from(`${index === 0 ? '{' : ','}${JSON.stringify(name)}:`),
    )
    this.#encoders = columns.map(({ type, name }) => encoderFor(type, name, exact))
    this.#maxBytes = maxBytes
  }

  get rowCount(): number {
    return this.#rowCount
  }

  /** Adds the row of a DataRow message. */
  add(body: Buffer): void {
    const out = this.#out
    out.writeByte(this.#rowCount === 0 ? 0x5b : 0x2c)
    if (this.#keys.length === 0) out.writeByte(0x7b)
    let offset = 2
    for (let index = 0; index < this.#keys.length; index += 1) {
      const key = this.#keys[index] as Buffer
      out.writeBytes(key, 0, key.length)
      const length = body.readInt32BE(offset)
      offset += 4
      if (length < 0) {
        out.writeText('null')
        continue
      }
      ;(this.#encoders[index] as Encode)(out, body, offset, offset + length)
      offset += length
    }
    out.writeByte(0x7d)
    this.#rowCount += 1
    if (out.length > this.#maxBytes) {
      const megabytes = Math.floor(this.#maxBytes / 1024 ** 2)
      throw new KilnError(
        'DATASOURCE_ERROR',
        `the rows are larger than ${megabytes} MB: select less, or use stream`,
      )
    }
  }

  /** The rows added since the last call. */
  take(): string {
    const text = this.#rowCount === 0 ? '[]' : `${this.#out.toString()}]`
    this.#out.reset()
    this.#rowCount = 0
    return text
  }
}

function refuseDuplicateNames(columns: readonly Column[]): void {
  const seen = new Set<string>()
  for (const { name } of columns) {
    if (seen.has(name)) {
      throw new KilnError(
        'DATASOURCE_ERROR',
        `two columns are named ${JSON.stringify(name)}: give one an alias`,
      )
    }
    seen.add(name)
  }
}
