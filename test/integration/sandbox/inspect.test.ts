import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openPool } from './fixture.ts'

const pool = openPool()
beforeAll(() => pool.start())
afterAll(() => pool.stop())

async function inspect(source: string, language?: 'javascript' | 'typescript') {
  const sandbox = await pool.acquire('shop')
  try {
    return await sandbox.inspect({ source, filename: 'demo.js', language })
  } finally {
    sandbox.release()
  }
}

it('reads the fields of an object, functions as a mark', async () => {
  const source = `export default {
    title: 'Sales', description: 'd', other: 1, secret: 'x',
    parameters: { day: { type: 'date', default: 'today', pattern: /^a+$/i }, shop: { type: 'select', options: async () => [] } },
    dependencies: { datasources: ['warehouse'] }, schedule: '0 6 * * *', limits: { memory: '64MB' },
    database: 'read', retries: 2, maxConcurrent: 1n,
    run() {},
  }`
  expect(await inspect(source)).toEqual({
    status: 'ok',
    inspection: {
      form: 'object',
      language: 'javascript',
      declared: {
        title: 'Sales',
        description: 'd',
        parameters: {
          day: { type: 'date', default: 'today', pattern: '^a+$' },
          shop: { type: 'select', options: { $function: true } },
        },
        dependencies: { datasources: ['warehouse'] },
        schedule: '0 6 * * *',
        limits: { memory: '64MB' },
        database: 'read',
        retries: 2,
        maxConcurrent: '1',
        // Not known, and told, so that a misspelt field is found.
        other: 1,
        secret: 'x',
      },
    },
  })
})

it('refuses a class, which nobody would make an object of', async () => {
  expect(await inspect('export default class Sales { run() {} }')).toMatchObject({
    status: 'failed',
    error: { code: 'definition_error', message: expect.stringContaining('is a class') as string },
  })
})

it('reads named exports of the function form', async () => {
  const source = `export const title: string = 'T'\nexport const dependencies = { datasources: ['a'] }\nexport default function analyze() {}`
  expect(await inspect(source)).toEqual({
    status: 'ok',
    inspection: {
      form: 'function',
      language: 'typescript',
      declared: { title: 'T', dependencies: { datasources: ['a'] } },
    },
  })
})

it('declares nothing when the script does not', async () => {
  expect(await inspect('export default () => 1')).toMatchObject({
    inspection: { form: 'function', declared: {} },
  })
})

describe('errors', () => {
  it.each([
    ['a syntax error', 'const a = 1\nlet b = = 2', 2],
    ['a throw at the top', 'const a = 1\n\n  throw new Error("x")', 3],
    ['an import', '\nimport "fs"', 2],
    ['no export', 'const a = 1', null],
    [
      'a getter that throws',
      'export default { run() {},\n get title() { throw new Error("no") } }',
      2,
    ],
    ['ctx at the top', 'export default { run() {}, title: ctx.title }', 1],
    [
      'a cycle',
      'const parameters = {}; parameters.p = parameters; export default { run() {}, parameters }',
      null,
    ],
  ])('say definition_error and the line of %s', async (_name, source, line) => {
    const outcome = await inspect(source)
    expect(outcome).toMatchObject({ status: 'failed', error: { code: 'definition_error', line } })
  })

  it('refuse a definition that is data', async () => {
    const outcome = await inspect('export default { run() {}, title: "x".repeat(2e6) }')
    expect(outcome).toMatchObject({ error: { code: 'definition_error' } })
  })

  it.each([
    ['timeout', 'for (;;);'],
    [
      'timeout',
      'export default { run() {}, parameters: new Proxy({}, { ownKeys() { for (;;); } }) }',
    ],
    ['memory_limit', 'const a = []; for (;;) a.push(new Float64Array(1e6))'],
  ])('say %s', async (code, source) => {
    expect(await inspect(source)).toMatchObject({ status: 'failed', error: { code } })
  })

  it('end a definition that never ends, by getters', async () => {
    const deep =
      'const deep = () => ({ get a() { return deep() } }); export default { run() {}, parameters: deep() }'
    const outcome = await inspect(deep)
    expect(outcome).toMatchObject({ status: 'failed' })
  })
})
