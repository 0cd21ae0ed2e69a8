import { describe, expect, it } from 'vitest'
import {
  type Frame,
  FrameError,
  FrameReader,
  encodeFrame,
  maxFrameBytes,
} from '../../../src/core/sandbox/frames.ts'

const frames: readonly Frame[] = [
  { kind: 1, id: 0, text: '' },
  { kind: 255, id: 2 ** 32 - 1, text: 'é😀\0' },
  { kind: 17, id: 5, text: 'x'.repeat(1000) },
  { kind: 20, id: 6, text: '{}' },
]
const bytes = Buffer.concat(frames.map(({ kind, id, text }) => encodeFrame(kind, id, text)))

function read(chunks: readonly Buffer[]): Frame[] {
  const seen: Frame[] = []
  const reader = new FrameReader((frame) => seen.push(frame))
  const memory = Buffer.alloc(bytes.length)
  for (const chunk of chunks) {
    chunk.copy(memory)
    reader.push(memory.subarray(0, chunk.length))
    // The caller may use it again.
    memory.fill(0xff)
  }
  return seen
}

describe('FrameReader', () => {
  it.each([1, 2, 3, 4, 5, 7, 9, 64, 999, 5000])(
    'reads what was written, in chunks of %i',
    (size) => {
      const chunks: Buffer[] = []
      for (let at = 0; at < bytes.length; at += size) chunks.push(bytes.subarray(at, at + size))
      expect(read(chunks)).toEqual(frames)
    },
  )

  it('waits for the rest of a frame', () => {
    expect(read([bytes.subarray(0, bytes.length - 1)])).toEqual(frames.slice(0, -1))
  })

  it.each([0, 4, maxFrameBytes + 1, 2 ** 32 - 1])('refuses a length of %i', (length) => {
    const head = Buffer.alloc(9)
    head.writeUInt32LE(length, 0)
    expect(() => read([head])).toThrow(FrameError)
  })
})
