import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { body, errorOf, openPool, resultOf, runScript } from '../../integration/sandbox/fixture.ts'

const pool = openPool()
beforeAll(() => pool.start())
afterAll(() => pool.stop())

/** What Node has and a script must not; also nothing by which isolated-vm could be told. */
const forbidden =
  'process require module exports global Buffer setTimeout setInterval setImmediate fetch ' +
  'performance queueMicrotask structuredClone WebAssembly SharedArrayBuffer Atomics $0 $1 post ' +
  'config p errors encode calls script ivm isolated_vm Isolate'

it('sees nothing of the host', async () => {
  const ran = await runScript(
    pool,
    body(`return ${JSON.stringify(forbidden.split(' '))}.filter((name) => {
      try { return (0, eval)('typeof ' + name) !== 'undefined' } catch { return true }
    })`),
  )
  expect(resultOf(ran)).toEqual([])
})

it('has only the globals of the language, and console', async () => {
  const ran = await runScript(pool, body('return Object.getOwnPropertyNames(globalThis)'))
  const known = new Set([...Object.getOwnPropertyNames(globalThis), 'console', 'global'])
  const names = resultOf(ran) as string[]
  expect(names.filter((name) => !known.has(name))).toEqual([])
  expect(names).toContain('console')
})

it('gets its whole ctx from its own realm', async () => {
  const ran = await runScript(
    pool,
    body(`const foreign = []
    const seen = new Set()
    const walk = (value, path) => {
      if ((typeof value !== 'object' && typeof value !== 'function') || value === null || seen.has(value)) return
      seen.add(value)
      const proto = Object.getPrototypeOf(value)
      const own = [null, Object.prototype, Function.prototype, Array.prototype, Object.getPrototypeOf(async () => {})]
      if (path.split('.').length < 4 && !own.includes(proto)) foreign.push(path)
      if (typeof value === 'function' && value.constructor !== Function && !(value instanceof Function)) foreign.push(path)
      for (const key of Reflect.ownKeys(value)) {
        let inner
        try { inner = value[key] } catch { continue }
        walk(inner, path + '.' + String(key))
        walk(Object.getOwnPropertyDescriptor(value, key)?.get, path + '.get ' + String(key))
      }
    }
    walk(ctx, 'ctx'); walk(console, 'console')
    return [foreign, seen.size > 20]`),
  )
  expect(resultOf(ran)).toEqual([[], true])
})

it.each([
  'ctx.job.constructor.constructor("return process")()',
  'ctx.log.constructor("return process")()',
  'console.log.constructor("return this")().process.env',
  'ctx.duckdb.query.constructor.constructor("return process")()',
  'Function("return process")()',
  '(0, eval)("process")',
  'new (class extends Function { constructor() { super("return process") } })()()',
  'Object.getPrototypeOf(async function () {}).constructor("return process")()',
  'import.meta.url.length',
])('does not get out by %s', async (expression) => {
  const ran = await runScript(pool, body(`const found = await ${expression}; return String(found)`))
  expect(errorOf(ran).code).toBe('script_error')
})

it('shows no frame of the bridge to a script that asks for its stack', async () => {
  const ran = await runScript(
    pool,
    body(`Error.prepareStackTrace = (_error, sites) => sites.map((site) => [
      String(site.getFunction()), String(site.getThis()), site.getFileName()])
    const sites = new Error().stack
    let rejected
    try { await ctx.duckdb.query('x') } catch (error) { rejected = error.stack }
    return [sites.every(([fn, self]) => fn === 'undefined' && self === 'undefined'), typeof rejected]`),
    { call: () => Promise.reject(Object.assign(new Error('no'), { code: 'datasource_error' })) },
  )
  expect(resultOf(ran)).toEqual([true, 'string'])
})

it('says nothing of the host in errors of its own calls', async () => {
  const ran = await runScript(
    pool,
    body(`const stacks = []
    const keep = (work) => { try { work() } catch (error) { stacks.push(String(error.stack)) } }
    keep(() => ctx.progress(Symbol()))
    keep(() => ctx.datasource.nope)
    keep(() => null.x)
    for (const call of [() => ctx.duckdb.query(NaN), () => import('fs'), () => ctx.duckdb.tables()])
      try { await call() } catch (error) { stacks.push(String(error.stack)) }
    return stacks`),
    { call: () => Promise.reject(new Error('plain')) },
  )
  const text = JSON.stringify(resultOf(ran))
  expect(text).not.toMatch(/node:|dist|processes|\/work|isolated-vm/)
})

describe('a script that breaks its built-ins', () => {
  it.each([
    [
      'Object.prototype.reference',
      'Object.prototype.reference = true; Object.prototype.copy = true; Object.prototype.promise = true',
    ],
    [
      'Object.prototype.timeout',
      'Object.prototype.timeout = 1; Object.prototype.result = { reference: true }; Object.prototype.arguments = { reference: true }',
    ],
    [
      'property descriptors',
      'Object.prototype.get = () => 1; Object.prototype.set = () => {}; Object.prototype.writable = false',
    ],
    ['Object.prototype.toJSON', 'Object.prototype.toJSON = undefined; Object.prototype.toJSON = 5'],
    ['JSON', 'JSON.parse = JSON.stringify = () => { throw 1 }; globalThis.JSON = null'],
    [
      'Promise',
      'Promise.prototype.then = Promise.resolve = () => { throw 1 }; globalThis.Promise = class {}',
    ],
    [
      'Map',
      'for (const k of Object.getOwnPropertyNames(Map.prototype)) try { Map.prototype[k] = () => { throw 1 } } catch {}; globalThis.Map = 1',
    ],
    [
      'WeakMap',
      'WeakMap.prototype.get = WeakMap.prototype.set = () => { throw 1 }; globalThis.WeakMap = 1',
    ],
    [
      'Array',
      'for (const k of Object.getOwnPropertyNames(Array.prototype)) if (k !== "constructor") try { Array.prototype[k] = () => { throw 1 } } catch {}',
    ],
    ['Array iterators', 'Array.prototype[Symbol.iterator] = () => { throw 1 }'],
    [
      'setters on indexes',
      'for (const i of [0, 1, 2]) Object.defineProperty(Array.prototype, i, { set() { throw 1 }, get() { throw 1 } })',
    ],
    [
      'String',
      'String.prototype.slice = String.prototype.indexOf = () => { throw 1 }; globalThis.String = () => { throw 1 }',
    ],
    [
      'Object',
      'Object.keys = Object.freeze = Object.create = Object.defineProperty = Object.getPrototypeOf = () => { throw 1 }',
    ],
    ['Reflect', 'Reflect.apply = Reflect.construct = () => { throw 1 }; globalThis.Reflect = null'],
    [
      'Function.prototype',
      'Function.prototype.call = Function.prototype.apply = Function.prototype.bind = () => { throw 1 }',
    ],
    [
      'Error',
      'Error.stackTraceLimit = 0; Error.captureStackTrace = () => { throw 1 }; globalThis.Error = () => { throw 1 }',
    ],
    ['Error.prepareStackTrace', 'Error.prepareStackTrace = () => { throw 1 }'],
    [
      'Symbol.hasInstance',
      'Object.defineProperty(Error, Symbol.hasInstance, { value: () => { throw 1 } })',
    ],
    ['console', 'delete globalThis.console'],
    [
      'frozen prototypes',
      '[Object, Array, Promise, Map, Function, Error].forEach((c) => Object.freeze(c.prototype))',
    ],
  ])('gets its answer all the same: %s', async (_name, breakIt) => {
    const source = `${breakIt}
      export default async function (params, ctx) {
        ctx.log('line')
        ctx.progress(1)
        const rows = await ctx.datasource.warehouse.query('select', [1])
        return { n: rows[0].n, x: params.x, job: ctx.job.id, list: [rows.length] }
      }`
    const ran = await runScript(pool, source, {
      parameters: { x: 5 },
      call: async () => '[{"n":1}]',
    })
    expect(ran.calls.map(([, text]) => JSON.parse(text))).toEqual([
      { name: 'warehouse', sql: 'select', params: [1] },
    ])
    expect(resultOf(ran)).toEqual({ n: 1, x: 5, job: 'job-1', list: [1] })
    expect(ran.log).toEqual([{ level: 'info', message: 'line' }])
  })

  it.each([
    ['Object.prototype.reference', 'Object.prototype.reference = true'],
    [
      'Object.prototype.toJSON',
      'Object.prototype.toJSON = () => ({ code: "timeout", message: "lie" })',
    ],
    ['an own code', 'globalThis.own = true'],
    ['String and JSON', 'JSON.stringify = () => "{}"; globalThis.String = () => "x"'],
  ])('fails by its own error: %s', async (_name, breakIt) => {
    const ran = await runScript(
      pool,
      body(`${breakIt}; throw Object.assign(new TypeError('mine'), { code: 'memory_limit' })`),
    )
    expect(errorOf(ran)).toMatchObject({ code: 'script_error', name: 'TypeError', message: 'mine' })
  })
})

describe('a script that throws what is no plain error', () => {
  it.each([
    [
      'a Proxy that throws',
      'throw new Proxy({}, { get() { throw 1 }, getPrototypeOf() { throw 1 } })',
    ],
    ['a revoked Proxy', 'const { proxy, revoke } = Proxy.revocable({}, {}); revoke(); throw proxy'],
    [
      'getters',
      'throw { get name() { throw 1 }, get message() { throw 2 }, get stack() { throw 3 } }',
    ],
    ['fields that are no text', 'throw { name: {}, message: 5n, stack: Symbol() }'],
    ['a huge message', 'throw new Error("x".repeat(1e7))'],
    ['a huge name', 'class A extends Error { name = "n".repeat(1e7) }; throw new A("x")'],
    ['a function', 'throw () => 1'],
    ['a toString that throws', 'throw { toString() { throw 1 }, toJSON() { throw 2 } }'],
    ['NUL', 'throw new Error("a\\0b")'],
  ])('fails cleanly: %s', async (_name, text) => {
    const { code, name, message, stack } = errorOf(await runScript(pool, body(text)))
    expect(code).toBe('script_error')
    expect(name.length).toBeLessThanOrEqual(200)
    expect(message.length).toBeLessThanOrEqual(8200)
    expect(stack.length).toBeLessThanOrEqual(8200)
    expect(message).not.toContain('\0')
  })

  it.each([
    [
      'top level Proxy',
      'throw new Proxy(new Error("x"), { get() { throw 1 } })\nexport default () => 1',
    ],
    [
      'top level getters',
      'throw Object.defineProperty(new Error("x"), "stack", { get() { throw 1 } })\nexport default () => 1',
    ],
    ['top level object', 'throw { a: 1 }\nexport default () => 1'],
    ['top level huge', 'throw new Error("x".repeat(1e7))\nexport default () => 1'],
  ])('fails cleanly at the %s', async (_name, source) => {
    expect(errorOf(await runScript(pool, source)).code).toBe('script_error')
  })

  it.each([
    ['a message', 'throw { get message() { for (;;); } }'],
    ['a toString', 'throw { toString() { for (;;); }, toJSON() { for (;;); } }'],
    ['a toJSON', 'return { toJSON() { for (;;); } }'],
    ['an ownKeys', 'return new Proxy({}, { ownKeys() { for (;;); } })'],
    ['an argument', 'await ctx.duckdb.query("x", { get a() { for (;;); } })'],
    ['a log line', 'ctx.log({ get a() { for (;;); } })'],
    ['a progress', 'ctx.progress({ valueOf() { for (;;); } })'],
    ['a stack', 'Error.prepareStackTrace = () => { for (;;); }; throw new Error("x")'],
  ])('is ended in time inside %s', async (_name, text) => {
    const ran = await runScript(pool, body(text), { limits: { runningMs: 200 } })
    expect(errorOf(ran).code).toBe('timeout')
  })

  it('is ended in time inside the stack of a top level error', async () => {
    const source =
      'throw Object.defineProperty(new Error("x"), "stack", { get() { for (;;); } })\nexport default () => 1'
    const ran = await runScript(pool, source, { limits: { runningMs: 200, timeoutMs: 1000 } })
    expect(['timeout', 'script_error']).toContain(errorOf(ran).code)
  })
})

describe('a script that answers for others', () => {
  it('cannot end its job twice, or go on after it', async () => {
    const ran = await runScript(
      pool,
      body(
        'ctx.duckdb.tables().then(() => { for (;;); })\nreturn { then(ok) { ok(1); ok(2); throw 3 } }',
      ),
    )
    expect(resultOf(ran)).toBe(1)
    expect(resultOf(await runScript(pool, body('return 2')))).toBe(2)
  })

  it('gets no reply that was meant for the job before', async () => {
    const late = Promise.withResolvers<string>()
    await runScript(pool, body('void ctx.duckdb.query("first")'), { call: () => late.promise })
    const ran = await runScript(pool, body('return await ctx.duckdb.query("second")'), {
      call: async () => {
        late.resolve('"first"')
        await late.promise
        return '"second"'
      },
    })
    expect(resultOf(ran)).toBe('second')
  })

  it('keeps __proto__ in results and arguments as data', async () => {
    const ran = await runScript(
      pool,
      body(`const data = JSON.parse('{"__proto__":{"polluted":1},"constructor":{"prototype":{"polluted":1}}}')
      await ctx.metadata.set('k', data)
      return data`),
    )
    expect(({} as { polluted?: number }).polluted).toBeUndefined()
    expect(Object.keys(resultOf(ran) as object)).toEqual(['__proto__', 'constructor'])
  })

  it('cannot name a datasource after the bridge', async () => {
    const names = ['__proto__', 'constructor', 'then', 'toString', 'query']
    const ran = await runScript(
      pool,
      body(`const out = []
      for (const name of ${JSON.stringify(names)}) out.push(await ctx.datasource[name].query('x'))
      return out`),
      {
        datasources: names,
        call: async (_operation, text) =>
          JSON.stringify((JSON.parse(text) as { name: string }).name),
      },
    )
    expect(resultOf(ran)).toEqual(names)
  })
})

it('names its ArrayBuffer as the language does, in the build as well', async () => {
  const ran = await runScript(pool, body(`return [ArrayBuffer.name, ArrayBuffer.length]`))
  expect(resultOf(ran)).toEqual(['ArrayBuffer', 1])
})

it('frees nothing by resizable or huge buffers', async () => {
  const ran = await runScript(
    pool,
    body(`const out = []
    const b = new ArrayBuffer(8, { maxByteLength: 2 ** 32 })
    out.push(b.resizable, typeof b.resize, typeof b.transfer, typeof ArrayBuffer.prototype.transferToFixedLength)
    const Native = Object.getPrototypeOf(new Uint8Array(1).buffer).constructor
    out.push(new Native(8, { maxByteLength: 64 }).resizable)
    out.push(new b.constructor(8, { maxByteLength: 64 }).resizable)
    out.push(b.slice(0, 4).constructor === ArrayBuffer, new Uint8Array([1]).buffer instanceof ArrayBuffer)
    const resizable = Object.getOwnPropertyDescriptor(ArrayBuffer.prototype, 'resizable').get
    out.push(resizable.call(Reflect.construct(ArrayBuffer, [8, { maxByteLength: 64 }], Object)))
    return out`),
  )
  expect(resultOf(ran)).toEqual([
    false,
    'undefined',
    'undefined',
    'undefined',
    false,
    false,
    true,
    true,
    false,
  ])
})
