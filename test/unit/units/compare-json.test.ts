import { describe, expect, it } from 'vitest'
import { compareJson } from '../../../src/core/units/compare-json.ts'

const differences = (a: string, b: string) => [...compareJson(JSON.parse(a), JSON.parse(b))]

describe('compareJson', () => {
  it.each([
    ['{"a":1,"b":{"c":[1,2]}}', '{"b":{"c":[1,2]},"a":1}'],
    ['[1, 2.50, 1e3]', '[1.0, 2.5, 1000]'],
    ['0', '-0'],
    ['null', 'null'],
    ['{"__proto__":{"x":1}}', '{"__proto__":{"x":1}}'],
  ])('finds %s equal to %s', (a, b) => {
    expect(differences(a, b)).toEqual([])
  })

  it('names each place with its kind and both values', () => {
    const a = '{"kept":1,"gone":null,"rows":[{"id":1,"name":"a"},{"id":2}]}'
    const b = '{"rows":[{"name":"b","id":1}],"kept":1,"new":[]}'
    expect(differences(a, b)).toEqual([
      { path: '$.gone', kind: 'removed', a: null },
      { path: '$.rows[0].name', kind: 'changed', a: 'a', b: 'b' },
      { path: '$.rows[1]', kind: 'removed', a: { id: 2 } },
      { path: '$.new', kind: 'added', b: [] },
    ])
  })

  it('compares arrays by position', () => {
    expect(differences('[1,2]', '[2,1,3]').map(({ path, kind }) => `${path} ${kind}`)).toEqual([
      '$[0] changed',
      '$[1] changed',
      '$[2] added',
    ])
  })

  it.each([
    ['1', '"1"'],
    ['null', '0'],
    ['null', '{}'],
    ['[]', '{}'],
    ['{"0":1}', '[1]'],
  ])('does not take %s for %s', (a, b) => {
    expect(differences(a, b)).toEqual([
      { path: '$', kind: 'changed', a: JSON.parse(a), b: JSON.parse(b) },
    ])
  })

  it('tells keys of the object from those that every object has', () => {
    expect(differences('{"toString":1}', '{}')).toEqual([
      { path: '$.toString', kind: 'removed', a: 1 },
    ])
    expect(differences('{}', '{"__proto__":2}')).toEqual([
      { path: '$.__proto__', kind: 'added', b: 2 },
    ])
  })

  it('quotes keys that are no names', () => {
    const [difference] = differences('{"a key":{"é":{"x.y":1}}}', '{"a key":{"é":{"x.y":2}}}')
    expect(difference?.path).toBe('$["a key"].é["x.y"]')
  })

  it('walks to any depth', () => {
    const nested = (inner: number) => {
      let value: unknown = inner
      for (let depth = 0; depth < 50_000; depth += 1) value = [value]
      return value
    }
    const [difference] = compareJson(nested(1), nested(2))
    expect(difference).toMatchObject({ kind: 'changed', a: 1, b: 2 })
    expect(difference?.path).toHaveLength(1 + 3 * 50_000)
  })
})
