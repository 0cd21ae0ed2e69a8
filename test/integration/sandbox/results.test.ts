import { afterAll, beforeAll, expect, it } from 'vitest'
import { body, errorOf, openPool, resultOf, runScript } from './fixture.ts'

const pool = openPool()
beforeAll(() => pool.start())
afterAll(() => pool.stop())

it.each([
  ['undefined', null],
  ['null', null],
  ['"é\\u0000\\ud800"', 'é\0\ud800'],
  ['12345678901234567890n', '12345678901234567890'],
  ['new Date(0)', '1970-01-01T00:00:00.000Z'],
  [
    '{ a: undefined, b: [undefined, 1n, new Date(1)] }',
    { b: [null, '1', '1970-01-01T00:00:00.001Z'] },
  ],
  ['{ toJSON() { return { a: 2n } } }', { a: '2' }],
  ['{ toJSON() { return this }, a: 1 }', undefined],
  ['Promise.resolve([1])', [1]],
  ['{ then(done) { done("thenable") } }', 'thenable'],
  ['Object.create(null)', {}],
  ['JSON.parse(\'{"__proto__": 1}\')', JSON.parse('{"__proto__": 1}')],
  ['new (class A { x = 1; get y() { return 2 } })()', { x: 1 }],
  ['new Proxy({ a: 1 }, {})', { a: 1 }],
  ['[1, [2, [3]]]', [1, [2, [3]]]],
])('returns %s', async (expression, expected) => {
  const ran = await runScript(pool, body(`return ${expression}`))
  if (expected === undefined) expect(errorOf(ran).message).toContain('result.toJSON is a function')
  else expect(resultOf(ran)).toEqual(expected)
})

it.each([
  ['() => 1', 'result is a function'],
  ['Symbol("a")', 'result is a symbol'],
  ['NaN', 'result is NaN'],
  ['{ a: [-Infinity] }', 'result.a[0] is -Infinity'],
  ['{ rows: [0, 1, 2, { when: new Date(NaN) }] }', 'result.rows[3].when is an invalid date'],
  [
    '{ rows: [{ when: new Date(8.64e15) }] }',
    'result.rows[0].when is a date outside the years 0 to 9999',
  ],
  ['{ "a b": { c: new Map() } }', 'result["a b"].c is a Map'],
  ['[new Set()]', 'result[0] is a Set'],
  ['{ e: new TypeError("x") }', 'result.e is an Error'],
  ['{ a: new Float64Array(2) }', 'result.a is a Float64Array'],
  ['{ p: Promise.resolve(1) }', 'result.p is a Promise'],
  [
    '(() => { const a = { list: [] }; a.list.push(a); return a })()',
    'result.list[0] is part of a cycle',
  ],
  ['{ a: { toJSON() { return { b: () => 1 } } } }', 'result.a.b is a function'],
  [
    '(() => { let a = {}; for (let i = 0; i < 1e5; i++) a = { a }; return a })()',
    'nested more than 1000 levels deep',
  ],
])('refuses %s by its path', async (expression, message) => {
  const error = errorOf(await runScript(pool, body(`return ${expression}`)))
  expect(error.code).toBe('result_not_serializable')
  expect(error.message).toContain(message)
  expect(error.message.length).toBeLessThan(300)
})

it('allows the same object twice', async () => {
  expect(resultOf(await runScript(pool, body('const a = { b: 1 }; return [a, a]')))).toEqual([
    { b: 1 },
    { b: 1 },
  ])
})

it.each([
  '"x".repeat(1024 * 1024)',
  // Within the limit as characters, beyond it as bytes.
  '"é".repeat(600 * 1024)',
  'new Array(4e9)',
  '(() => { const s = "x".repeat(1e5); return new Array(1e6).fill(s) })()',
])('refuses a result beyond its limit: %s', async (expression) => {
  const ran = await runScript(pool, body(`return ${expression}`), {
    limits: { resultBytes: 1024 * 1024 },
  })
  expect(errorOf(ran)).toMatchObject({
    code: 'result_too_large',
    message: 'the result is larger than 1.0 MB: aggregate it, or write it to a table',
  })
})

it('takes a result of exactly its limit', async () => {
  const ran = await runScript(pool, body('return "x".repeat(1024 * 1024 - 2)'), {
    limits: { resultBytes: 1024 * 1024 },
  })
  expect(resultOf(ran)).toHaveLength(1024 * 1024 - 2)
})
