import { describe, expect, it } from 'vitest'
import { makeEncoder } from '../../../src/core/sandbox/process/guest/encode.ts'
import { capturePrimordials } from '../../../src/core/sandbox/process/guest/primordials.ts'

const codes = new WeakMap<object, string>()
const encode = makeEncoder(capturePrimordials(globalThis), {
  mark: (error, code) => void codes.set(error, code),
  isMarked: (error) => codes.has(error as object),
  readText: (value, field) => {
    const text = (value as Record<string, unknown>)[field]
    return typeof text === 'string' ? text : ''
  },
})

function refused(value: unknown, maxChars = 1000): [code: string | undefined, message: string] {
  try {
    encode(value, 'result', maxChars)
  } catch (error) {
    return [codes.get(error as object), (error as Error).message]
  }
  throw new Error('it was encoded')
}

describe('encode', () => {
  it.each([
    [undefined, 'null'],
    [{ a: undefined, b: [undefined, null, true, 'x', 1.5] }, '{"b":[null,null,true,"x",1.5]}'],
    [{ n: 2n ** 70n }, '{"n":"1180591620717411303424"}'],
    [new Date(Date.UTC(2026, 0, 2)), '"2026-01-02T00:00:00.000Z"'],
    [Object.assign(Object.create({ inherited: 1 }) as object, { own: 1 }), '{"own":1}'],
  ])('turns %o into JSON', (value, text) => {
    expect(encode(value, 'result', 1000)).toBe(text)
  })

  it.each([
    [[{ 'a-b': { c: Number.NaN } }], 'result[0]["a-b"].c is NaN, which JSON cannot hold'],
    [{ a: [1, () => 1] }, 'result.a[1] is a function, which JSON cannot hold'],
    [{ a: new Date(Number.NaN) }, 'result.a is an invalid date, which JSON cannot hold'],
    [
      { a: new Date(-62167219200001) },
      'result.a is a date outside the years 0 to 9999, which JSON cannot hold',
    ],
  ])('refuses %o by its path', (value, message) => {
    expect(refused(value)).toEqual(['result_not_serializable', message])
  })

  it.each([
    ['x'.repeat(999)],
    [Array.from({ length: 600 })],
    [{ a: 'x'.repeat(500), b: 'x'.repeat(500) }],
  ])('refuses what is larger than it may be', (value) => {
    expect(refused(value)[0]).toBe('result_too_large')
  })

  it('never builds a text that is too large', () => {
    const megabyte = 'x'.repeat(2 ** 20)
    expect(
      refused(
        Array.from({ length: 2000 }, () => megabyte),
        2 ** 21,
      )[0],
    ).toBe('result_too_large')
  })
})
