import { describe, expect, it } from 'vitest'
import { FrameReader, encodeFrame } from '../../../src/core/duckdb/frames.ts'

const bytesOf = (head: object, body = ''): Buffer =>
  Buffer.concat(encodeFrame(head, body === '' ? [] : [Buffer.from(body)]))

describe('frames', () => {
  it('come out as they went in, however the bytes are cut', () => {
    const bytes = Buffer.concat([
      bytesOf({ id: 1, text: 'é' }, '[{"a":"ü"}]'),
      bytesOf({ id: 2 }),
      bytesOf({ id: 3 }, 'x'.repeat(1000)),
    ])
    for (let size = 1; size <= bytes.length; size = Math.ceil(size * 1.7)) {
      const reader = new FrameReader(10_000)
      const frames = []
      for (let at = 0; at < bytes.length; at += size) {
        frames.push(...reader.push(bytes.subarray(at, at + size)))
      }
      expect(frames.map(({ head }) => head['id'])).toEqual([1, 2, 3])
      expect(frames[0]?.head).toEqual({ id: 1, text: 'é' })
      expect(frames.map(({ body }) => body.toString())).toEqual([
        '[{"a":"ü"}]',
        '',
        'x'.repeat(1000),
      ])
    }
  })

  it('are refused when too large, before they have arrived', () => {
    const announced = Buffer.alloc(8)
    announced.writeUInt32LE(10_001, 0)
    expect(() => new FrameReader(10_000).push(announced)).toThrow('too large')
  })

  it.each([
    ['a head longer than the frame', [6, 100], '{}'],
    ['a head that is no object', [5, 1], '1'],
    ['a head that is an array', [6, 2], '[]'],
    ['a head that is no JSON', [6, 2], '{x'],
  ] as const)('are refused with %s', (_, [length, headLength], text) => {
    const start = Buffer.alloc(8)
    start.writeUInt32LE(length, 0)
    start.writeUInt32LE(headLength, 4)
    expect(() => new FrameReader(10_000).push(Buffer.concat([start, Buffer.from(text)]))).toThrow()
  })
})
