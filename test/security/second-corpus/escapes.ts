import { hostile, hostileModule, refusesAll } from './hostile-script.ts'

/** Ways out of the isolate: constructors, prototypes, the bridge. */
export const escapes = [
  refusesAll('constructors of functions of ctx', [
    'ctx.log.constructor("return process")()',
    'ctx.duckdb.query.constructor("return process.env")()',
    'ctx.duckdb.query.constructor.constructor("return process.mainModule")()',
    'ctx.job.constructor.constructor("return process")()',
    'Object.getOwnPropertyDescriptor(ctx, "job").get.constructor("return process")()',
    'Object.getPrototypeOf(ctx.runAnalysis).constructor("return process")()',
    'console.log.constructor("return this")().process.env',
    'ctx.datasource.shop.query.constructor("return require")()("fs")',
  ]),
  refusesAll('constructors of every kind of function', [
    'Function("return process")()',
    '(0, eval)("process")',
    '(async () => {}).constructor("return process")()',
    '(function* () {}).constructor("return process")().next()',
    '(async function* () {}).constructor("return await process")().next()',
    'Reflect.construct(Function, ["return process"])()',
    'Reflect.construct(Function, ["return process"], class {})()',
    'new (class extends Function { constructor() { super("return process") } })()()',
  ]),
  hostile(
    'globals by name',
    'completed',
    `return ['process', 'require', 'module', 'Buffer', 'fetch', 'global', 'setTimeout', 'ivm',
      'WebAssembly', 'SharedArrayBuffer', 'Atomics', 'Deno', 'post', 'structuredClone', '$0']
      .filter((name) => (0, eval)('typeof ' + name) !== 'undefined')`,
    [],
  ),
  hostile(
    'this of sloppy functions',
    'completed',
    'return Function("return Object.getOwnPropertyNames(this).filter((n) => /process|require|global$/.test(n))")()',
    [],
  ),
  refusesAll('dynamic imports', [
    'import("fs")',
    'import("node:child_process")',
    'import("/etc/passwd")',
    'import("data:text/javascript,export default 1")',
    'import(new Proxy({}, { get() { return () => "fs" } }))',
  ]),
  hostileModule(
    'a static import',
    'definition_error',
    'import fs from "fs"\nexport default () => fs',
  ),
  hostileModule(
    'an import with attributes',
    'definition_error',
    'import data from "/etc/passwd" with { type: "json" }\nexport default () => data',
  ),
  hostileModule(
    'a re-export',
    'definition_error',
    'export * from "node:process"\nexport default () => 1',
  ),
  hostile(
    'frames of the bridge by prepareStackTrace',
    'completed',
    `Error.prepareStackTrace = (_e, sites) => sites
    const found = []
    const look = (error) => {
      for (const site of error.stack ?? []) {
        for (const value of [site.getFunction?.(), site.getThis?.()]) if (value !== undefined) found.push(String(value))
      }
    }
    look(new Error())
    try { await ctx.duckdb.query('nope') } catch (error) { look(error) }
    try { ctx.progress(Symbol()) } catch (error) { look(error) }
    return found`,
    [],
  ),
  hostile(
    'host paths in stacks of errors',
    'completed',
    `const texts = []
    for (const attempt of [() => ctx.duckdb.query('nope'), () => import('fs'), () => ctx.duckdb.query({ toString: null }), () => ctx.datasource.shop.query('nope')]) {
      try { await attempt() } catch (error) { texts.push(String(error.stack), String(error.message), JSON.stringify(error)) }
    }
    return texts.filter((text) => /node:|processes|isolated|\\/work|\\/root|\\/tmp|file:/.test(text))`,
    [],
  ),
  hostile(
    'options of the bridge by Object.prototype',
    'completed',
    `for (const name of ['reference', 'copy', 'promise', 'externalCopy', 'timeout', 'get', 'set', 'value', 'code']) {
      try { Object.prototype[name] = true } catch {}
    }
    const rows = await ctx.duckdb.query('select 1 as a')
    return typeof rows[0].a`,
    'number',
  ),
  hostile(
    'hooks on everything the bridge could use',
    'completed',
    `const stolen = []
    for (const target of [Map, WeakMap, Set, Promise, Array, String, Function, RegExp, Number]) {
      for (const name of Object.getOwnPropertyNames(target.prototype)) {
        if (name === 'constructor') continue
        const descriptor = Object.getOwnPropertyDescriptor(target.prototype, name)
        if (typeof descriptor.value !== 'function') continue
        try {
          target.prototype[name] = function (...given) { stolen.push(name); return Reflect.apply(descriptor.value, this, given) }
        } catch {}
      }
    }
    stolen.length = 0
    const call = ctx.metadata.get('x')
    ctx.log.info(ctx.job.id, ctx.analysis.name, ctx.project.id, ctx.now)
    const rows = ctx.datasource.shop.stream('select 1')
    const taken = stolen.length
    return [taken, (stolen.length, true)]`,
    [0, true],
  ),
  hostile(
    'a poisoned then',
    'completed',
    `Object.prototype.then = function (resolve) { resolve(1) }
    delete Object.prototype.then
    Promise.prototype.then = () => { throw new Error('mine') }
    return 1`,
    1,
  ),
  hostile(
    'a __proto__ key in arguments and results',
    'completed',
    `await ctx.metadata.set('__proto__', JSON.parse('{"__proto__": {"polluted": true}}'))
    await ctx.metadata.get('__proto__')
    return JSON.parse('{"__proto__": {"admin": true}, "constructor": {"prototype": {"x": 1}}}')`,
  ),
  hostile(
    'names of operations',
    'completed',
    `const through = []
    for (const name of ['constructor', '__proto__', 'toString', 'query', 'hasOwnProperty']) {
      try { through.push(await ctx.datasource[name].query('select 1')) } catch {}
      try { through.push(await ctx.datasource.query(name, 'select 1')) } catch {}
    }
    return through.length`,
    0,
  ),
  refusesAll('what was not declared', [
    'ctx.datasource.query("secret", "select 1")',
    'ctx.datasource.secret.query("select 1")',
    'ctx.duckdb.load("secret", "select 1", "t")',
    'ctx.runAnalysis("honest")',
    'ctx.runAnalysis("../honest")',
  ]),
  hostile(
    'changing ctx for those who come later',
    'completed',
    `try { ctx.log = null; ctx.duckdb.query = null; delete ctx.datasource; Object.setPrototypeOf(ctx, null) } catch {}
    globalThis.left = 'behind'
    Array.prototype.left = 'behind'
    return 1`,
    1,
  ),
  hostile(
    'asynchronous generators and iterators over the bridge',
    'completed',
    `const stream = ctx.datasource.shop.stream('select generate_series(1, 5) as a', [], 2)
    const iterator = stream[Symbol.asyncIterator]()
    const first = await iterator.next()
    await iterator.return?.()
    await iterator.return?.()
    const after = await iterator.next()
    return [first.value.a, after.done]`,
    [1, true],
  ),
  hostile(
    'an error that says who it is',
    'script_error',
    `const error = new Error('pretence')
    error.code = 'executor_lost'
    error.name = 'KilnError'
    throw error`,
  ),
  hostile(
    'an error with the code of a limit',
    'script_error',
    'throw Object.assign(new Error("x"), { code: "memory_limit" })',
  ),
  hostile(
    'a debugger statement and an inspector',
    'completed',
    'debugger; return typeof console.profile + typeof console.context',
    'undefinedundefined',
  ),
  hostileModule(
    'TypeScript that confuses the stripper',
    'definition_error script_error completed',
    `enum A { B = (() => { throw 1 })() }\nnamespace N { export const x = 1 }\nexport default (p: any) => <any>p`,
  ),
  hostileModule(
    'a source map comment',
    'completed',
    'export default () => 1\n//# sourceMappingURL=file:///etc/passwd\n//# sourceURL=/etc/passwd',
  ),
]
