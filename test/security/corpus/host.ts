import { type Case, run, script } from './case.ts'

const failed = { code: 'script_error' } as const

/** Ways to the host: constructors of functions, Node's names, the bridge's own stack. */
export const hostCases: readonly Case[] = [
  run('Function of ctx.log', `return ctx.log.constructor('return typeof process')()`, {
    result: 'undefined',
  }),
  run('Function of console.log', `return console.log.constructor('return typeof require')()`, {
    result: 'undefined',
  }),
  run(
    'Function of an async function',
    `return await Object.getPrototypeOf(async () => {}).constructor('return typeof process')()`,
    { result: 'undefined' },
  ),
  run(
    'Function of a generator',
    `return Object.getPrototypeOf(function* () {}).constructor('yield typeof process')().next().value`,
    { result: 'undefined' },
  ),
  run('the global object', `return 'process' in Function('return this')()`, { result: false }),
  run('process.env', 'return process.env', failed),
  run('process.env by eval', `return (0, eval)('process.env')`, failed),
  run('process.binding', `return process.binding('fs')`, failed),
  run('require', `return require('node:fs').readFileSync('/etc/passwd', 'utf8')`, failed),
  run('dynamic import', `return (await import('node:fs')).readFileSync('/etc/passwd')`, failed),
  run('fetch', `return await fetch('http://127.0.0.1:5432')`, failed),
  run('a timer of Node', `return setTimeout('process.exit()', 1).constructor`, failed),
  run('the caller', 'return (function f() { return f.caller })()', failed),
  run('import.meta', 'return Object.keys(import.meta)', { result: [] }),
  run(
    'objects of the bridge by its stack',
    `Error.prepareStackTrace = (_error, sites) =>
      sites.every((site) => site.getThis() === undefined && site.getFunction() === undefined)
    return new Error().stack`,
    { result: true },
  ),
  run(
    'paths of the host in errors of ctx',
    `const texts = []
    for (const call of [() => ctx.progress(Symbol()), () => ctx.duckdb.query(NaN), () => ctx.datasource.none.query('x')])
      try { await call() } catch (error) { texts.push(String(error.stack)) }
    return /dist|processes|node:|isolated-vm/.test(texts.join())`,
    { result: false },
  ),
  run(
    'Function of the iterator of a stream',
    `const iterator = ctx.datasource.shop.stream('select 1')[Symbol.asyncIterator]()
    const { constructor } = Object.getPrototypeOf(Object.getPrototypeOf(iterator)).constructor
    return (await constructor('yield typeof process + typeof require')().next()).value`,
    { result: 'undefinedundefined' },
  ),
  run(
    'Function of the promise of a call',
    `const asked = ctx.metadata.get('x')
    const made = asked.constructor.constructor('return typeof process + typeof require')()
    await asked
    return made`,
    { result: 'undefinedundefined' },
  ),
  run(
    'Function of the error of a call',
    `try { await ctx.duckdb.query('nonsense') } catch (error) {
      return [error.constructor === Error, error.constructor.constructor('return typeof process')()]
    }`,
    { result: [true, 'undefined'] },
  ),
  run(
    'the bridge as caller of a conversion',
    `let seen = null
    const value = { [Symbol.toPrimitive]: Function('see', 'return function f() { see(f.caller); return 5 }')((caller) => (seen = caller)) }
    try { await ctx.sleep(value) } catch {}
    ctx.progress(value)
    return seen`,
    { result: null },
  ),
  run(
    'the bridge in logged stacks',
    `const bridge = /<kiln>/
    try { ctx.progress(NaN) } catch (error) { ctx.log(error) }
    let names = []
    Error.prepareStackTrace = (_error, sites) => (names = sites.map((site) => typeof site.getFunction()))
    new Error('x').stack
    return [names.every((name) => name === 'undefined'), bridge.test(String(ctx.log))]`,
    { result: [true, false] },
  ),
  script('static import', `import fs from 'node:fs'\nexport default () => fs`, {
    code: 'definition_error',
  }),
  run(
    'calls that ctx does not have',
    `const kinds = Reflect.ownKeys(ctx).map(String)
    return kinds.filter((name) => /post|deliver|ivm|host|call/.test(name))`,
    { result: [] },
  ),
]

const hijack = (name: string, text: string): Case =>
  run(
    name,
    `${text}
    const rows = await ctx.duckdb.query('select 1 as a')
    await ctx.log('still here')
    return { a: rows[0].a }`,
    { result: { a: 1 } },
  )

/** Prototypes broken or set as traps for the bridge, which has to go on, and must not be fooled. */
export const prototypeCases: readonly Case[] = [
  hijack(
    'options of isolated-vm',
    'Object.prototype.reference = true; Object.prototype.copy = true; Object.prototype.promise = true',
  ),
  hijack('Promise.prototype.then', 'Promise.prototype.then = () => { throw 1 }'),
  hijack('Map and WeakMap', 'Map.prototype.get = WeakMap.prototype.get = () => { throw 1 }'),
  hijack('JSON', 'JSON.parse = JSON.stringify = () => { throw 1 }'),
  hijack(
    'Function.prototype',
    'Function.prototype.call = Function.prototype.apply = () => { throw 1 }',
  ),
  hijack('Array iterators', 'Array.prototype[Symbol.iterator] = () => { throw 1 }'),
  hijack(
    'setters of fields of frames',
    `for (const name of ['kind', 'id', 'text', 'code', 'status'])
      Object.defineProperty(Object.prototype, name, { set() { throw 1 }, get: () => 'completed' })`,
  ),
  hijack('Object', 'Object.keys = Object.create = Object.defineProperty = () => { throw 1 }'),
  run('__proto__ in a result', `return JSON.parse('{"__proto__": {"status": "failed"}, "a": 1}')`),
  run(
    '__proto__ as a key of metadata',
    `await ctx.metadata.set('__proto__', { polluted: 1 })
    return [await ctx.metadata.get('__proto__'), {}.polluted === undefined]`,
    { result: [{ polluted: 1 }, true] },
  ),
  run(
    'a datasource named after prototypes',
    `const out = []
    for (const name of ['__proto__', 'constructor', 'toString'])
      try { await ctx.datasource.query(name, 'select 1'); out.push(name) } catch {}
    return out`,
    { result: [] },
  ),
  run(
    'an error code of its own choice',
    `throw Object.assign(new Error('x'), { code: 'executor_lost', name: 'timeout' })`,
    { code: 'script_error' },
  ),
  run(
    'a thenable that answers twice',
    'return { then(resolve) { resolve(1); resolve(2); throw 3 } }',
    { result: 1 },
  ),
]
