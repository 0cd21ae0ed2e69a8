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
  private chunks: Buffer[] = []
  private buffered = 0
  private readonly onFrame: (frame: Frame) => void

  constructor(onFrame: (frame: Frame) => void) {
    this.onFrame = onFrame
  }

  /** @throws FrameError when the length is impossible. */
  push(chunk: Buffer): void {
    this.chunks.push(chunk)
    this.buffered += chunk.length
    while (this.buffered >= headerBytes) {
      const length = this.peekLength()
      if (length < headerBytes - 4 || length > maxFrameBytes) {
        throw new FrameError(`a frame of ${length} bytes`)
      }
      if (this.buffered < length + 4) return
      const bytes = this.take(length + 4)
      this.onFrame({
        kind: bytes.readUInt8(4),
        id: bytes.readUInt32LE(5),
        text: bytes.toString('utf8', headerBytes),
      })
    }
  }

  private peekLength(): number {
    const first = this.chunks[0]
    if (first && first.length >= 4) return first.readUInt32LE(0)
    this.chunks = [Buffer.concat(this.chunks)]
    return this.chunks[0]?.readUInt32LE(0) ?? 0
  }

  /** Joins only once a whole frame is there: joining at every chunk would cost its square. */
  private take(size: number): Buffer {
    const all = this.chunks.length === 1 ? this.chunks[0] : Buffer.concat(this.chunks)
    if (!all) throw new FrameError('nothing to take')
    const rest = all.subarray(size)
    this.chunks = rest.length > 0 ? [rest] : []
    this.buffered -= size
    return all.subarray(0, size)
  }
}
