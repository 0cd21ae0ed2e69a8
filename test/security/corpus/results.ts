import { type Case, run, script } from './case.ts'

const timeout = { code: 'timeout' } as const
const failed = { code: 'script_error' } as const
const refused = { code: 'result_not_serializable' } as const
const tooLarge = { code: ['result_too_large', 'memory_limit'] } as const

/** Results and errors that are traps: getters, proxies, toJSON, sizes. */
export const resultCases: readonly Case[] = [
  run('a getter that loops', 'return { get a() { for (;;); } }', timeout),
  run('a thenable that is its own value', 'const t = { then(r) { r(t) } }; return t', {
    code: ['timeout', 'memory_limit'],
  }),
  run(
    'a thenable that settles twice',
    'return { then(yes, no) { yes({ a: 1 }); yes(2); no(new Error("3")) } }',
    { result: { a: 1 } },
  ),
  run(
    'a shared part that doubles sixty times',
    'let a = ["x"]; for (let i = 0; i < 60; i++) a = [a, a]; return a',
    tooLarge,
  ),
  run('an array of four billion holes', 'const a = []; a.length = 2 ** 32 - 1; return a', tooLarge),
  run(
    'a proxy of an array whose length lies',
    'return new Proxy([], { get: (_, key) => (key === "length" ? 1e9 : key === "toJSON" ? undefined : 1) })',
    tooLarge,
  ),
  run('text that is longer as JSON', 'return "\\u0001".repeat(3e6)', tooLarge),
  run('text that is longer as UTF-8', 'return "\\u{1F600}".repeat(3e6)', tooLarge),
  run(
    'an error that is longer each time it is read',
    'let s = "x"; const more = () => (s += s); throw { get message() { return more() }, get stack() { return more() }, get name() { return more() } }',
    failed,
  ),
  run(
    'an error with a hundred thousand causes',
    'let e = new Error("0"); for (let i = 0; i < 1e5; i++) e = new Error("x", { cause: e }); throw e',
    failed,
  ),
  run(
    'a depth of stack traces without limit',
    'Error.stackTraceLimit = Infinity; const f = (n) => { if (n === 0) throw new Error("deep"); return f(n - 1) + 1 }; f(5000)',
    failed,
  ),
  run('a toJSON that loops', 'return { toJSON() { for (;;); } }', timeout),
  run('a proxy whose keys loop', 'return new Proxy({}, { ownKeys() { for (;;); } })', timeout),
  run(
    'a proxy without end of keys',
    'return new Proxy({}, { ownKeys: () => Array.from({ length: 1e7 }, (_, i) => "k" + i), getOwnPropertyDescriptor: () => ({ value: 1, enumerable: true, configurable: true }) })',
    {
      code: ['timeout', 'result_too_large', 'memory_limit', 'script_error'],
    },
  ),
  run(
    'a revoked proxy',
    'const { proxy, revoke } = Proxy.revocable({}, {}); revoke(); return proxy',
    {
      code: ['script_error', 'result_not_serializable'],
    },
  ),
  run(
    'a toJSON that makes more of itself',
    'const make = () => ({ toJSON: make }); return { a: make() }',
    {
      code: ['script_error', 'result_not_serializable', 'timeout'],
    },
  ),
  run(
    'a getter that grows',
    'const all = []; return { get a() { for (;;) all.push(new Array(1e5).fill(1.5)) } }',
    {
      code: ['memory_limit', 'timeout'],
    },
  ),
  run('a cycle', 'const a = {}; a.a = a; return a', refused),
  run(
    'a getter that says another thing each time',
    'let n = 0; return { get a() { n++; return n > 1 ? new Array(5e7) : 1 } }',
    { code: ['result_too_large', 'result_not_serializable', 'memory_limit', 'timeout'] },
  ),
  run(
    'a getter that grows past every text',
    'let n = 0; return { get a() { n++; return n > 1 ? "x".repeat(3e8) : 1 }, b: "x".repeat(3e6), get c() { return this.a } }',
    { code: ['result_too_large', 'memory_limit', 'timeout'] },
  ),
  run(
    'a getter that throws',
    'return { rows: [{ get a() { throw new Error("trap") } }] }',
    refused,
  ),
  run('a toJSON that throws', 'return { a: { toJSON() { throw null } } }', refused),
  run('a thenable that never ends', 'const t = { then(done) { done(t) } }; return t', timeout),
  run('a thenable that settles twice', 'return { then(a, b) { a(1); b(2); throw 3 } }', {
    result: 1,
  }),
  run(
    'a list shared by itself a trillion times',
    'let a = ["x"]; for (let i = 0; i < 40; i++) a = [a, a]; return a',
    tooLarge,
  ),
  run(
    'an object shared by itself a trillion times, with nothing in it',
    'let a = {}; for (let i = 0; i < 40; i++) a = { l: a, r: a }; return a',
    tooLarge,
  ),
  run(
    'a list that lies about its length',
    'return new Proxy([1], { get: (t, k) => k === "length" ? 2 ** 32 - 1 : k === "toJSON" ? undefined : 1 })',
    tooLarge,
  ),
  run('a number of 400 digits', 'return { a: JSON.rawJSON("1e400") }', refused),
  run('an integer in an object', 'return [Object(1n)]', refused),
  run('an iterator', 'return { a: new Map([[1, 2]]).entries() }', refused),
  run(
    'a map dressed up',
    'return Object.defineProperty(new Map([[1, 2]]), Symbol.toStringTag, { value: "Object" })',
    refused,
  ),
  run('a function', 'return { f() {} }', refused),
  run('a symbol', 'return [Symbol("x")]', refused),
  run('not a number', 'return { a: [1, NaN] }', refused),
  run('deep nesting', 'let a = 1; for (let i = 0; i < 1e5; i++) a = [a]; return a', {
    code: ['result_not_serializable', 'script_error', 'result_too_large'],
  }),
  run('a long text', 'return "x".repeat(2 ** 27)', tooLarge),
  run('text that grows in UTF-8', 'return "\\u20ac".repeat(5e6)', tooLarge),
  run('text that grows by quoting', 'return "\\0".repeat(4e6)', tooLarge),
  run('millions of numbers', 'return new Array(8e6).fill(1)', tooLarge),
  run('a sparse array of four billion', 'return new Array(2 ** 32 - 1)', {
    code: ['result_too_large', 'memory_limit', 'timeout'],
  }),
  run('an error with a message that loops', 'throw { get message() { for (;;); } }', timeout),
  run(
    'a stack that loops',
    'Error.prepareStackTrace = () => { for (;;); }; throw new Error("x")',
    timeout,
  ),
  run('an error of 50 MB', 'throw new Error("x".repeat(5e7))', failed),
  run('a proxy thrown', 'throw new Proxy({}, { get() { throw 1 } })', failed),
  run('null thrown', 'throw null', failed),
  run('an error without a prototype', 'throw Object.setPrototypeOf(new Error("x"), null)', failed),
  run(
    'an error with a code of ours',
    'throw Object.assign(new Error("x"), { code: "memory_limit", name: "timeout" })',
    failed,
  ),
  run('a name that loops', 'throw { message: "x", get name() { for (;;); } }', timeout),
  run(
    'a promise that nobody waits for',
    'Promise.reject(new Error("nobody")); await ctx.sleep(50); return 1',
    failed,
  ),
  run('control characters in an error', 'throw new Error("\\u001b[2J\\0\\u202e")', failed),
  script(
    'a thrown proxy at the top',
    'throw new Proxy(new Error("x"), { get() { throw 1 } })\nexport default () => 1',
    {
      code: 'definition_error',
    },
  ),
  script('an endless top level', 'for (;;);\nexport default () => 1', { code: 'definition_error' }),
  script(
    'a proxy for a definition',
    'export default new Proxy({ run() {} }, { get() { for (;;); }, ownKeys() { for (;;); } })',
    {
      code: 'definition_error',
    },
  ),
  script('a definition of 5 MB', 'export default { title: "x".repeat(5e6), run: () => 1 }', {
    code: 'definition_error',
  }),
  script(
    'a pattern that backtracks',
    'export default { parameters: { a: { type: "string", pattern: "^(a|a)+$" } }, run: () => 1 }',
    { code: ['definition_error', 'parameter_error'], parameters: { a: `${'a'.repeat(40)}!` } },
  ),
]
