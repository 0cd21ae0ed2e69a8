/**
 * The pipe format between Kiln and a DuckDB process, both ways: four bytes with the length of the
 * frame, four with the length of its head, the head as JSON text, then a body that is passed on as
 * it is. Rows travel as bodies, so that nobody on the way parses or quotes them again.
 */
export interface Frame {
  readonly head: Readonly<Record<string, unknown>>
  readonly body: Buffer
}

const prefixBytes = 8

/** The frame in parts to be written one after the other: a body is not copied once more. */
export function encodeFrame(head: object, body: readonly Buffer[] = []): readonly Buffer[] {
  const headText = JSON.stringify(head)
  const headBytes = Buffer.byteLength(headText)
  const bodyBytes = body.reduce((sum, part) => sum + part.length, 0)
  const start = Buffer.allocUnsafe(prefixBytes + headBytes)
  start.writeUInt32LE(4 + headBytes + bodyBytes, 0)
  start.writeUInt32LE(headBytes, 4)
  start.write(headText, prefixBytes)
  return [start, ...body]
}

/**
 * Cuts a stream of bytes into frames. The bytes may come from a hostile process: a frame above
 * the limit, or a head that is no JSON object, throws and the caller must give the process up.
 */
export class FrameReader {
  readonly #maxBytes: number
  #parts: Buffer[] = []
  #size = 0

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes
  }

  push(chunk: Buffer): Frame[] {
    this.#parts.push(chunk)
    this.#size += chunk.length
    const frames: Frame[] = []
    for (let frame = this.#take(); frame; frame = this.#take()) frames.push(frame)
    return frames
  }

  #take(): Frame | undefined {
    if (this.#size < prefixBytes) return undefined
    if ((this.#parts[0]?.length ?? 0) < prefixBytes) this.#join()
    const first = this.#parts[0] ?? Buffer.alloc(0)
    const length = first.readUInt32LE(0)
    const headBytes = first.readUInt32LE(4)
    if (length > this.#maxBytes) throw new Error(`frame of ${length} bytes is too large`)
    if (headBytes + 4 > length) throw new Error('frame with a head longer than itself')
    if (this.#size < 4 + length) return undefined
    // Joined once per frame, not once per chunk: a large frame arrives in hundreds of chunks.
    this.#join()
    const bytes = this.#parts[0] ?? Buffer.alloc(0)
    const headEnd = prefixBytes + headBytes
    const head: unknown = JSON.parse(bytes.toString('utf8', prefixBytes, headEnd))
    if (typeof head !== 'object' || head === null || Array.isArray(head)) {
      throw new Error('frame without a head')
    }
    const rest = bytes.subarray(4 + length)
    this.#parts = rest.length > 0 ? [rest] : []
    this.#size = rest.length
    return { head: head as Record<string, unknown>, body: bytes.subarray(headEnd, 4 + length) }
  }

  #join(): void {
    if (this.#parts.length > 1) this.#parts = [Buffer.concat(this.#parts)]
  }
}
