import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { body, errorOf, openPool, resultOf, runScript, scriptContext } from './fixture.ts'

const pool = openPool()
beforeAll(() => pool.start())
afterAll(() => pool.stop())

const failing = (code: string, message: string) => () =>
  Promise.reject(Object.assign(new Error(message), { code }))

it.each([
  [
    'ctx.datasource.warehouse.query("select 1", [1], { exact: true })',
    'datasource.query',
    { name: 'warehouse', sql: 'select 1', params: [1], exact: true },
  ],
  [
    'ctx.datasource.query("warehouse", "select 1")',
    'datasource.query',
    { name: 'warehouse', sql: 'select 1' },
  ],
  ['ctx.duckdb.query("select 1", ["a"])', 'duckdb.query', { sql: 'select 1', params: ['a'] }],
  ['ctx.duckdb.exec("create table t (a int)")', 'duckdb.exec', { sql: 'create table t (a int)' }],
  [
    'ctx.duckdb.load("warehouse", "select 1", "t", [1n])',
    'duckdb.load',
    { datasource: 'warehouse', sql: 'select 1', table: 't', params: ['1'] },
  ],
  ['ctx.duckdb.export("t", "t.parquet")', 'duckdb.export', { table: 't', file: 't.parquet' }],
  ['ctx.duckdb.tables()', 'duckdb.tables', {}],
  ['ctx.duckdb.describe("t")', 'duckdb.describe', { table: 't' }],
  ['ctx.runAnalysis("other", { a: 1 })', 'analysis.run', { name: 'other', params: { a: 1 } }],
  ['ctx.metadata.get("k")', 'metadata.get', { key: 'k' }],
  [
    'ctx.metadata.set("k", { v: new Date(0) })',
    'metadata.set',
    { key: 'k', value: { v: '1970-01-01T00:00:00.000Z' } },
  ],
])('%s asks the host and gives its answer', async (expression, operation, expected) => {
  const ran = await runScript(pool, body(`return await ${expression}`), {
    call: async () => '[{"n":1}]',
  })
  expect(resultOf(ran)).toEqual([{ n: 1 }])
  expect(ran.calls.map(([name, text]) => [name, JSON.parse(text)])).toEqual([[operation, expected]])
})

it('tells the script about its job', async () => {
  const ran = await runScript(
    pool,
    body('return [ctx.job, ctx.analysis, ctx.project, ctx.now, ctx.shouldStop()]'),
  )
  const { job, analysis, project, now } = scriptContext
  expect(resultOf(ran)).toEqual([job, analysis, project, now, false])
})

it('is the same each time it is asked for, and cannot be changed', async () => {
  const ran = await runScript(
    pool,
    body(`const parts = ['job', 'analysis', 'project', 'now', 'datasource', 'duckdb', 'metadata', 'log']
      const { ...copy } = ctx
      return parts.filter((part) => {
        const value = ctx[part]
        const text = JSON.stringify(value)
        try { ctx[part] = null } catch {}
        for (const key of Reflect.ownKeys(Object(value))) try { value[key] = null } catch {}
        const isKept = value === ctx[part] && value === copy[part] && JSON.stringify(value) === text
        return !isKept || !Object.isFrozen(value)
      })`),
  )
  expect(resultOf(ran)).toEqual([])
})

it('is what it was when a script asks for it late, and has spoilt what it is made with', async () => {
  const ran = await runScript(
    pool,
    body(`JSON.parse = Object.freeze = Object.create = Object.defineProperty = () => ({ broken: true })
      globalThis.Proxy = class { broken = true }
      const trap = { __proto__: null, get: () => 'broken', set() { throw new Error('seen') }, configurable: true }
      const names = ['job', 'now', 'datasource', 'datasources', 'info', 'warehouse', 'query', 'stream', 'get', 'set', 'writable']
      for (const name of names) {
        Reflect.defineProperty(Object.prototype, name, trap)
        Reflect.defineProperty(Function.prototype, name, trap)
      }
      ctx.log.info('still here')
      const rows = await ctx.datasource.warehouse.query('select 1')
      return [ctx.job.id, ctx.now, rows]`),
    { call: async () => '[1]' },
  )
  expect(resultOf(ran)).toEqual([scriptContext.job.id, scriptContext.now, [1]])
  expect(ran.log.map(({ message }) => message)).toEqual(['still here'])
})

it('streams rows page by page and closes the stream', async () => {
  const pages = [
    '{"rows":[1,2],"done":false}',
    '{"rows":[3],"done":false}',
    '{"rows":[],"done":true}',
  ]
  const call = async (operation: string) =>
    operation === 'datasource.open'
      ? '{"cursor":7}'
      : operation === 'datasource.fetch'
        ? (pages.shift() ?? 'null')
        : 'null'
  const ran = await runScript(
    pool,
    body(
      'const all = []\nfor await (const n of ctx.datasource.warehouse.stream("select", [], 2)) all.push(n)\nreturn all',
    ),
    { call },
  )
  expect(resultOf(ran)).toEqual([1, 2, 3])
  expect(ran.calls.at(0)?.[1]).toBe('{"name":"warehouse","sql":"select","params":[],"batchSize":2}')
  expect(ran.calls.at(-1)).toEqual(['datasource.close', '{"cursor":7}'])
})

it('closes a stream that the script leaves early', async () => {
  const call = async (operation: string) =>
    operation === 'datasource.open' ? '{"cursor":1}' : '{"rows":[1,2],"done":false}'
  const ran = await runScript(
    pool,
    body('for await (const n of ctx.datasource.warehouse.stream("select")) return n'),
    { call },
  )
  expect(resultOf(ran)).toBe(1)
  expect(ran.calls.map(([operation]) => operation)).toEqual([
    'datasource.open',
    'datasource.fetch',
    'datasource.close',
  ])
})

describe('failed calls', () => {
  it('reach the script as an error with a code', async () => {
    const ran = await runScript(
      pool,
      body(
        'try { await ctx.duckdb.query("x") } catch (e) { return [e instanceof Error, e.code, e.message] }',
      ),
      { call: failing('datasource_error', 'no such table') },
    )
    expect(resultOf(ran)).toEqual([true, 'datasource_error', 'no such table'])
  })

  it('give the job their code and the line that awaited', async () => {
    const ran = await runScript(pool, body('const a = 1\nawait ctx.duckdb.query("x")'), {
      call: failing('datasource_error', 'no such table'),
    })
    expect(errorOf(ran)).toMatchObject({
      code: 'datasource_error',
      message: 'no such table',
      line: 3,
    })
  })

  it('do not lend their code to other errors', async () => {
    const ran = await runScript(
      pool,
      body(
        'try { await ctx.duckdb.query("x") } catch (e) { throw Object.assign(new Error("mine"), { code: e.code }) }',
      ),
      { call: failing('datasource_error', 'no') },
    )
    expect(errorOf(ran)).toMatchObject({ code: 'script_error', message: 'mine' })
  })

  it.each([
    'ctx.datasource.nope.query("x")',
    'ctx.datasource.query("nope", "x")',
    'ctx.datasource.stream("nope", "x")',
  ])('name a datasource that is not declared: %s', async (expression) => {
    const ran = await runScript(pool, body(`await ${expression}`))
    expect(errorOf(ran)).toMatchObject({
      code: 'dependency_error',
      message: 'datasource "nope" is not declared in dependencies.datasources',
      line: 2,
    })
    expect(ran.calls).toEqual([])
  })

  it.each([
    ['await ctx.duckdb.query("x", [1, NaN])', 'ctx.duckdb.query.params[1]'],
    ['await ctx.runAnalysis("x", { a: NaN })', 'ctx.runAnalysis.params.a'],
    [
      'await ctx.datasource.warehouse.stream("x", [NaN])[Symbol.asyncIterator]().next()',
      'ctx.datasource.stream.params[0]',
    ],
  ])('name an argument that is no JSON: %s', async (text, place) => {
    const ran = await runScript(pool, body(text))
    expect(errorOf(ran)).toMatchObject({
      code: 'script_error',
      message: `${place} is NaN, which JSON cannot hold`,
      line: 2,
    })
  })

  it('name the wait for rows of a stream as the script does', async () => {
    const ran = await runScript(
      pool,
      body('for await (const row of ctx.datasource.warehouse.stream("x")) ctx.log(row)'),
      { limits: { timeoutMs: 300 }, call: () => new Promise(() => undefined) },
    )
    expect(errorOf(ran).message).toMatch(/, waiting for ctx\.datasource\.stream$/)
  })
})

it('has at most eight calls in flight, in the order of the script', async () => {
  let inFlight = 0
  let most = 0
  const order: number[] = []
  const call = async (_operation: string, text: string) => {
    order.push(Number((JSON.parse(text) as { sql: string }).sql))
    most = Math.max(most, ++inFlight)
    await new Promise((resolve) => setImmediate(resolve))
    inFlight -= 1
    return text
  }
  const ran = await runScript(
    pool,
    body(
      'const all = await Promise.all(Array.from({ length: 50 }, (_, i) => ctx.duckdb.query(String(i))))\nreturn all.length',
    ),
    { call },
  )
  expect(resultOf(ran)).toBe(50)
  expect(order).toEqual(Array.from({ length: 50 }, (_, i) => i))
  expect(most).toBeLessThanOrEqual(8)
})

it('sleeps without the host', async () => {
  const ran = await runScript(
    pool,
    body(
      'const t = Date.now(); await Promise.all([ctx.sleep(30), ctx.sleep(5)]); return Date.now() - t >= 29',
    ),
  )
  expect(resultOf(ran)).toBe(true)
  expect(ran.calls).toEqual([])
})

it('takes no place of a call for a sleep, and lets any number sleep', async () => {
  const ran = await runScript(
    pool,
    body(`for (let i = 0; i < 20; i++) void ctx.sleep(1e6)
      await ctx.metadata.get('k')
      const naps = await Promise.all(Array.from({ length: 3000 }, () => ctx.sleep(0)))
      return naps.length`),
  )
  expect(resultOf(ran)).toBe(3000)
  expect(ran.calls).toEqual([['metadata.get', '{"key":"k"}']])
})

it.each(['Infinity', 'NaN', '"soon"'])('refuses to sleep %s', async (ms) => {
  const ran = await runScript(pool, body(`await ctx.sleep(${ms})`))
  expect(errorOf(ran)).toMatchObject({
    code: 'script_error',
    message: 'ctx.sleep: the time is not a number of milliseconds',
    line: 2,
  })
})

it('passes a megabyte of rows both ways', async () => {
  const rows = JSON.stringify(Array.from({ length: 20_000 }, (_, i) => ({ i, text: `row ${i}` })))
  const ran = await runScript(pool, body('const rows = await ctx.duckdb.query("x"); return rows'), {
    call: async () => rows,
  })
  expect(JSON.stringify(resultOf(ran))).toBe(rows)
})

it('refuses a reply that no frame can hold', async () => {
  const ran = await runScript(pool, body('await ctx.duckdb.query("x")'), {
    call: async () => JSON.stringify('x'.repeat(65 * 1024 ** 2)),
  })
  expect(errorOf(ran).message).toContain('larger than 64 MB')
})

it('ends host calls with the job', async () => {
  const aborted = Promise.withResolvers<void>()
  const ran = await runScript(pool, body('void ctx.duckdb.query("x")\nreturn 1'), {
    call: (_operation, _text, signal) => {
      signal.addEventListener('abort', () => aborted.resolve())
      return new Promise(() => undefined)
    },
  })
  expect(resultOf(ran)).toBe(1)
  await aborted.promise
})

describe('the log', () => {
  it('takes ctx.log and console in order, with levels', async () => {
    const ran = await runScript(
      pool,
      body(
        'ctx.log("a", { b: 1 }, 2n, undefined)\nctx.log.warn("w")\nctx.error("e")\nconsole.debug("d")\nconsole.log(null, [1])',
      ),
    )
    expect(ran.log).toEqual([
      { level: 'info', message: 'a {"b":1} 2 undefined' },
      { level: 'warn', message: 'w' },
      { level: 'error', message: 'e' },
      { level: 'debug', message: 'd' },
      { level: 'info', message: 'null [1]' },
    ])
  })

  it('arrives while the script runs', async () => {
    const seen = Promise.withResolvers<string>()
    const ran = runScript(pool, body('ctx.log("begun")\nreturn await ctx.duckdb.query("x")'), {
      call: () => seen.promise,
      onLog: ([line]) => seen.resolve(JSON.stringify(line?.message)),
    })
    expect(resultOf(await ran)).toBe('begun')
  })

  it('holds what was said right before a loop that only a kill ends', async () => {
    const ran = await runScript(
      pool,
      body(
        'for (let i = 0; i < 20; i++) ctx.log(i)\nctx.log("last");[].indexOf.call({ length: 2 ** 50 }, 1)',
      ),
      { limits: { runningMs: 300 } },
    )
    expect(ran.outcome.status).toBe('failed')
    expect(ran.log.map(({ message }) => message)).toEqual([
      ...Array.from({ length: 20 }, (_, index) => String(index)),
      'last',
    ])
  })

  it('shows errors with the frames of the script alone', async () => {
    const text = `const inner = () => {
    throw new TypeError('at <kiln>: no')
  }
  try { inner() } catch (error) { console.error('caught', error) }
  try { await ctx.duckdb.query('x') } catch (error) { ctx.log(error) }`
    const ran = await runScript(pool, body(text), { call: failing('query_error', 'no table') })
    const [first, second] = ran.log.map(({ message }) => message.split('\n'))
    expect(first?.[0]).toBe('caught TypeError: at <kiln>: no')
    expect(second?.[0]).toBe('Error: no table')
    for (const frames of [first?.slice(1), second?.slice(1)]) {
      expect(frames?.length).toBeGreaterThan(0)
      for (const frame of frames ?? []) expect(frame).toMatch(/^ {4}at .*demo\.js:\d+:\d+\)?$/)
    }
  })

  it('is bounded in lines, and says how many are missing', async () => {
    const ran = await runScript(
      pool,
      body('for (let i = 0; i < 250; i++) ctx.log("line", i)\nthrow new Error("end")'),
      { limits: { logLines: 100 } },
    )
    expect(ran.log).toHaveLength(101)
    expect(ran.log.at(-1)).toEqual({
      level: 'warn',
      message: '150 more log lines were dropped: a job may log 100 lines and 1.0 MB',
    })
  })

  it('is bounded in bytes, a line too', async () => {
    const ran = await runScript(
      pool,
      body('ctx.log("x".repeat(1e6)); for (let i = 0; i < 100; i++) ctx.log("é".repeat(4000))'),
      { limits: { logBytes: 100_000 } },
    )
    const bytes = ran.log.reduce((sum, { message }) => sum + Buffer.byteLength(message), 0)
    expect(bytes).toBeLessThan(101_000)
    expect(ran.log[0]?.message).toHaveLength(8193)
    expect(ran.log.at(-1)?.message).toMatch(/^\d+ more log lines were dropped/)
  })
})

it('reports progress, the last one always', async () => {
  const ran = await runScript(
    pool,
    body('for (let i = 0; i <= 1000; i++) ctx.progress(i / 1000, "step " + i)'),
  )
  expect(ran.progress.at(-1)).toEqual([1, 'step 1000'])
  expect(ran.progress.length).toBeLessThan(50)
})
