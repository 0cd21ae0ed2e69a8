/**
 * Frames on the pipes between executor and sandbox: length (u32), kind (u8), id (u32), then UTF-8
 * text. Length counts everything after itself. Little endian.
 */
export interface Frame {
  readonly kind: number
  readonly id: number
  readonly text: string
}

/** What a frame is. Numbers, so that a hostile sandbox has no names to play with. */
export const frameKinds = {
  // To the sandbox.
  request: 1,
  reply: 2,
  refusal: 3,
  // From the sandbox.
  ready: 16,
  call: 17,
  log: 18,
  progress: 19,
  done: 20,
  failed: 21,
  inspected: 22,
} as const

/** A frame larger than this ends the sandbox. */
export const maxFrameBytes = 64 * 1024 ** 2

const headerBytes = 9

export function encodeFrame(kind: number, id: number, text: string): Buffer {
  const size = Buffer.byteLength(text)
  const frame = Buffer.allocUnsafe(headerBytes + size)
  frame.writeUInt32LE(headerBytes - 4 + size, 0)
  frame.writeUInt8(kind, 4)
  frame.writeUInt32LE(id, 5)
  frame.write(text, headerBytes)
  return frame
}

/** Thrown for bytes that are no frames. */
export class FrameError extends Error {}

/** Cuts a stream of bytes into frames. */
export class FrameReader {
  /** What came of a frame that is not whole yet. */
  private chunks: Buffer[] = []
  private buffered = 0
  private readonly onFrame: (frame: Frame) => void

  constructor(onFrame: (frame: Frame) => void) {
    this.onFrame = onFrame
  }

  /**
   * Takes what has come; the caller may use the chunk's memory again.
   *
   * @throws FrameError when the length is impossible.
   */
  push(chunk: Buffer): void {
    const bytes = this.buffered === 0 ? chunk : this.join(chunk)
    if (bytes) this.cut(bytes)
  }

  /** Joins only once a whole frame is there: joining at every chunk would cost its square. */
  private join(chunk: Buffer): Buffer | undefined {
    this.keep(chunk)
    if (this.buffered < headerBytes) return undefined
    if (this.chunks[0] && this.chunks[0].length < headerBytes) {
      this.chunks = [Buffer.concat(this.chunks)]
    }
    const first = this.chunks[0] as Buffer
    if (this.buffered < sizeOfFrame(first, 0)) return undefined
    const bytes = Buffer.concat(this.chunks)
    this.chunks = []
    this.buffered = 0
    return bytes
  }

  private cut(bytes: Buffer): void {
    let at = 0
    while (bytes.length - at >= headerBytes) {
      const end = at + sizeOfFrame(bytes, at)
      if (bytes.length < end) break
      this.onFrame({
        kind: bytes.readUInt8(at + 4),
        id: bytes.readUInt32LE(at + 5),
        text: bytes.toString('utf8', at + headerBytes, end),
      })
      at = end
    }
    if (at < bytes.length) this.keep(bytes.subarray(at))
  }

  private keep(bytes: Buffer): void {
    this.chunks.push(Buffer.from(bytes))
    this.buffered += bytes.length
  }
}

function sizeOfFrame(bytes: Buffer, at: number): number {
  const length = bytes.readUInt32LE(at)
  if (length < headerBytes - 4 || length > maxFrameBytes) {
    throw new FrameError(`a frame of ${length} bytes`)
  }
  return 4 + length
}
