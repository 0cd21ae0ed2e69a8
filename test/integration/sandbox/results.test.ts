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
  ['[new Number(1), new String("x"), new Boolean(false)]', [1, 'x', false]],
  ['JSON.rawJSON("1.50")', 1.5],
  ['[{}, Object.create(null), new (class A {})()]', [{}, {}, {}]],
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
  ['{ a: [{ get b() { throw new Error("trap") } }] }', 'result.a[0].b cannot be read: trap'],
  ['{ a: { toJSON() { throw "no" } } }', 'result.a cannot be read: no'],
  ['[new Proxy({}, { ownKeys() { throw { message: 1 } } })]', 'result[0] cannot be read'],
  ['{ a: Proxy.revocable({}, {}) }', 'result.a.revoke is a function'],
  [
    '(() => { const r = Proxy.revocable({}, {}); r.revoke(); return { a: r.proxy } })()',
    'result.a cannot be read: Cannot perform',
  ],
  ['[Object(1n)]', 'result[0] is an object around a BigInt'],
  ['[Object(Symbol("x"))]', 'result[0] is an object around a Symbol'],
  ['{ n: new Number(NaN) }', 'result.n is NaN'],
  ['{ n: JSON.rawJSON("1e400") }', 'result.n is Infinity'],
  ['{ n: [1].values() }', 'result.n is an Array Iterator'],
  ['{ n: new Map().keys() }', 'result.n is a Map Iterator'],
  ['{ n: new Intl.NumberFormat("de") }', 'result.n is an Intl.NumberFormat'],
  ['{ n: new ArrayBuffer(8) }', 'result.n is an ArrayBuffer'],
  [
    '{ n: Object.defineProperty(new Map([[1, 2]]), Symbol.toStringTag, { value: "Object" }) }',
    'result.n is a collection',
  ],
  ['{ n: Object.setPrototypeOf(new Set([1]), null) }', 'result.n is a collection'],
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
