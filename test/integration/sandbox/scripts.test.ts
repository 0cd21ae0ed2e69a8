import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { body, errorOf, openPool, resultOf, runScript } from './fixture.ts'

const pool = openPool()
beforeAll(() => pool.start())
afterAll(() => pool.stop())

describe('forms', () => {
  it('runs an object with run(ctx, params)', async () => {
    const source = `export default { title: 'T', offset: 2, async run(ctx, params) { return params.x + this.offset } }`
    expect(resultOf(await runScript(pool, source, { parameters: { x: 40 } }))).toBe(42)
  })

  it('runs a bare function, parameters first', async () => {
    const source = `export default function analyze(params, ctx) { return [params.x, ctx.analysis.name] }`
    expect(resultOf(await runScript(pool, source, { parameters: { x: 1 } }))).toEqual([1, 'demo'])
  })

  it('runs an instance of a class', async () => {
    const source = `class A { n = 5; run() { return this.n } }\nexport default new A()`
    expect(resultOf(await runScript(pool, source))).toBe(5)
  })

  it('runs the statement that operators insert', async () => {
    const source = 'export default function analyze(data) { return {result: "success"}; }'
    expect(resultOf(await runScript(pool, source))).toEqual({ result: 'success' })
  })

  it('waits for what the top level awaits', async () => {
    const source = `const n = await Promise.resolve(3)\nexport default () => n`
    expect(resultOf(await runScript(pool, source))).toBe(3)
  })

  it.each(['typescript', undefined] as const)('runs TypeScript, language %s', async (language) => {
    const source = `interface Row { n: number }\nexport default async function analyze(params: Row): Promise<number> {\n  return (params as Row).n satisfies number\n}`
    expect(resultOf(await runScript(pool, source, { language, parameters: { n: 7 } }))).toBe(7)
  })

  it('takes the type import that editors complete by', async () => {
    const source = `import type { Analysis } from '../types/analysis.d.ts'\nexport default { run: () => 1 } satisfies Analysis`
    expect(resultOf(await runScript(pool, source, { language: 'typescript' }))).toBe(1)
  })

  it.each([
    ['const x = 1', 'no default export'],
    ['export default 5', 'no default export'],
    ['export default { title: "x" }', 'no run function'],
    ['await new Promise(() => {})\nexport default () => 1', 'awaits something'],
  ])('refuses %j', async (source, message) => {
    const error = errorOf(await runScript(pool, source))
    expect(error.code).toBe('definition_error')
    expect(error.message).toContain(message)
  })
})

describe('imports', () => {
  it.each([
    ['\nimport fs from "node:fs"\nexport default () => 1', 'node:fs', 2],
    ["import {\n  a,\n} from 'lodash'\nexport default () => 1", 'lodash', 1],
    ['// x\nexport * from "./other.js"\nexport default () => 1', './other.js', 2],
    ['export default async () => {\n  await import("fs")\n}', 'fs', 2],
    ['const x = 1\nconst fs = require("fs")\nexport default () => 1', 'fs', 2],
  ])('refuses %j naming specifier and line', async (source, specifier, line) => {
    const error = errorOf(await runScript(pool, source))
    expect(error.message).toContain(`"${specifier}"`)
    expect(error.message).toContain('refused')
    expect(error.line).toBe(line)
  })
})

describe('positions', () => {
  it.each([
    ['a plain throw', body(`  throw new TypeError('x')`), 'TypeError', 2, 9],
    [
      'a throw after an await',
      body(`  await null\n  throw new RangeError('x')`),
      'RangeError',
      3,
      9,
    ],
    [
      'a function that is called',
      `${body('  return deep()')}\nfunction deep() {\n  null.x\n}`,
      'TypeError',
      5,
      8,
    ],
    ['the top level', `const a = 1\n  undefined.x\nexport default () => 1`, 'TypeError', 2, 13],
    ['a rejected call', body(`  await null\n  await ctx.duckdb.query('select')`), 'Error', 3, 20],
  ])('names line and column of %s', async (_name, source, name, line, column) => {
    const call = () => Promise.reject(Object.assign(new Error('no'), { code: 'datasource_error' }))
    const error = errorOf(await runScript(pool, source, { call }))
    expect(error).toMatchObject({ name, line, column })
    expect(error.stack).toMatch(/^at .*demo\.js:\d+:\d+/)
    expect(error.stack).not.toMatch(/kiln|isolated|node:|\/dist\//)
  })

  it('keeps positions when types are stripped', async () => {
    const source = `type A = { a: string }\nexport default function (p: A): never {\n  const x: number = 1; throw new Error('at ' + x as string)\n}`
    expect(errorOf(await runScript(pool, source, { language: 'typescript' }))).toMatchObject({
      code: 'script_error',
      line: 3,
      column: 30,
    })
  })

  it.each([
    ['JavaScript', 'javascript', 'const a = 1\nlet b = = 2', 2, 9],
    ['TypeScript', 'typescript', 'const a: number = 1\nlet b: = 2', 2, 8],
    ['unknown JavaScript', undefined, 'const a = 1\nlet b = = 2', 2, 9],
    ['unknown TypeScript', undefined, 'const a: number = 1\nlet b: number = = 2', 2, 17],
  ] as const)(
    'names the place of a syntax error in %s',
    async (_name, language, source, line, column) => {
      const error = errorOf(await runScript(pool, source, { language }))
      expect(error).toMatchObject({ code: 'definition_error', name: 'SyntaxError', line, column })
      expect(error.message).not.toContain('demo.js')
    },
  )

  it('says which syntax of TypeScript cannot be stripped', async () => {
    const error = errorOf(await runScript(pool, 'enum A { b }', { language: 'typescript' }))
    expect(error).toMatchObject({ code: 'definition_error', line: 1, column: 1 })
    expect(error.message).toContain('enum is not supported')
  })
})

describe('what is thrown', () => {
  it.each([
    [`throw 'text'`, 'text'],
    [`throw { reason: 1 }`, '{"reason":1}'],
    [`throw null`, 'null'],
    [`throw undefined`, 'undefined'],
    [`throw Symbol('s')`, 'Symbol(s)'],
    [`class Own extends Error { get name() { throw 1 } }\nthrow new Own('kept')`, 'kept'],
  ])('shows %j', async (text, message) => {
    const error = errorOf(await runScript(pool, body(text)))
    expect(error).toMatchObject({ code: 'script_error', message })
  })

  it('cuts a huge message', async () => {
    const error = errorOf(await runScript(pool, body(`throw new Error('x'.repeat(5e6))`)))
    expect(error.message.length).toBeLessThanOrEqual(8200)
  })
})
