import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { SandboxPool } from '../../../src/core/sandbox/index.ts'
import { openPool, runScript } from './fixture.ts'

let pool: SandboxPool
beforeAll(() => {
  pool = openPool()
})
afterAll(() => pool.stop())

const choose = async (source: string, limits = {}) =>
  (await runScript(pool, source, { optionsOf: 'a', parameters: { b: 2 }, limits })).outcome

describe('the options of a parameter', () => {
  it.each([
    [
      'a list',
      `export default { parameters: [{ name: 'x' }, { name: 'a', options(ctx, params) { return [this.name, params.b] } }], run() {} }`,
    ],
    [
      'an object by name',
      `export default { parameters: { a: { name: 'a', options(ctx, params) { return [this.name, params.b] } } }, run() {} }`,
    ],
    [
      'a bare function',
      `export const parameters = [{ name: 'a', options: async (ctx, params) => ['a', params.b] }]
       export default () => 'not this'`,
    ],
  ])('come from the function in %s', async (_form, source) => {
    expect(await choose(source)).toMatchObject({ status: 'completed', resultText: '["a",2]' })
  })

  it.each([
    ['no parameters', 'export default { run() {} }', 'script_error'],
    [
      'no such parameter',
      `export default { parameters: [{ name: 'b', options: () => [] }], run() {} }`,
      'script_error',
    ],
    [
      'a getter that throws',
      `export default { get parameters() { throw 'x' }, run() {} }`,
      'script_error',
    ],
    [
      'what JSON cannot say',
      `export default { parameters: { a: { options: () => [() => 1] } }, run() {} }`,
      'result_not_serializable',
    ],
    [
      'a result too large',
      `export default { parameters: { a: { options: () => ['x'.repeat(2000)] } }, run() {} }`,
      'result_too_large',
    ],
    [
      'a proxy that goes on for ever',
      `export default { parameters: new Proxy({}, { get() { for (;;); } }), run() {} }`,
      'timeout',
    ],
    [
      'a list without end',
      `export default { parameters: new Proxy([], { get: (_, key) => key === 'length' ? 2 ** 53 : undefined }), run() {} }`,
      'timeout',
    ],
    [
      'an options getter that changes its mind',
      `let n = 0
      export default { parameters: { a: { get options() { return n++ ? 1 : () => [1] } } }, run() {} }`,
      'completed',
    ],
  ])('fail like a script for %s', async (_what, source, code) => {
    const outcome = await choose(source, { timeoutMs: 1500, runningMs: 300, resultBytes: 1000 })
    expect(outcome.status === 'failed' ? outcome.error.code : outcome.status).toBe(code)
  })
})
