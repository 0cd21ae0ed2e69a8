const quoteByte = 0x22
const backslash = 0x5c
const hex = '0123456789abcdef'
const shortEscapes: Readonly<Record<number, string>> = {
  0x08: String.raw`\b`,
  0x09: String.raw`\t`,
  0x0a: String.raw`\n`,
  0x0c: String.raw`\f`,
  0x0d: String.raw`\r`,
  0x22: String.raw`\"`,
  0x5c: String.raw`\\`,
}

/** JSON text as it grows, in bytes: what the server sends is mostly copied, never made a string. */
export class JsonBuffer {
  #bytes = Buffer.allocUnsafe(64 * 1024)
  #length = 0

  get length(): number {
    return this.#length
  }

  reset(): void {
    this.#length = 0
  }

  toString(): string {
    return this.#bytes.toString('utf8', 0, this.#length)
  }

  writeByte(byte: number): void {
    this.#reserve(1)
    this.#bytes[this.#length] = byte
    this.#length += 1
  }

  writeText(text: string): void {
    this.#reserve(text.length * 3)
    this.#length += this.#bytes.write(text, this.#length)
  }

  writeBytes(source: Buffer, start: number, end: number): void {
    this.#reserve(end - start)
    const target = this.#bytes
    let offset = this.#length
    // A call into native code costs more than copying a short field here.
    if (end - start > 64) source.copy(target, offset, start, end)
    else for (let index = start; index < end; index += 1) target[offset++] = source[index] as number
    this.#length += end - start
  }

  /** The bytes as a JSON string; they are UTF-8 already. */
  writeQuoted(source: Buffer, start: number, end: number): void {
    this.#reserve((end - start) * 6 + 2)
    const target = this.#bytes
    let offset = this.#length
    target[offset++] = quoteByte
    for (let index = start; index < end; index += 1) {
      const byte = source[index] as number
      if (byte >= 0x20 && byte !== quoteByte && byte !== backslash) target[offset++] = byte
      else offset += target.write(escapeOf(byte), offset, 'latin1')
    }
    target[offset++] = quoteByte
    this.#length = offset
  }

  #reserve(bytes: number): void {
    const needed = this.#length + bytes
    if (needed <= this.#bytes.length) return
    const larger = Buffer.allocUnsafe(Math.max(needed, this.#bytes.length * 2))
    this.#bytes.copy(larger, 0, 0, this.#length)
    this.#bytes = larger
  }
}

function escapeOf(byte: number): string {
  return shortEscapes[byte] ?? `\\u00${hex[byte >> 4]}${hex[byte & 15]}`
}
