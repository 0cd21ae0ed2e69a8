import { hostile, hostileModule } from './hostile-script.ts'

/** Results, errors, logs and definitions that do something when they are read, or are too large. */
export const results = [
  hostile(
    'a result that is a throwing proxy',
    'result_not_serializable',
    'return new Proxy({}, { ownKeys() { throw new Error("trap") } })',
  ),
  hostile(
    'a result whose proxy never ends',
    'timeout result_too_large',
    'return new Proxy([], { get(_t, key) { return key === "length" ? 2 ** 32 : 1 } })',
  ),
  hostile(
    'a revoked proxy',
    'script_error result_not_serializable',
    'const { proxy, revoke } = Proxy.revocable({}, {}); revoke(); return { proxy }',
  ),
  hostile('a getter that never returns', 'timeout', 'return { get a() { for (;;); } }'),
  hostile(
    'a getter that throws',
    'result_not_serializable',
    'return { get a() { throw new TypeError("mine") } }',
  ),
  hostile(
    'a getter that answers differently each time',
    'completed script_error result_not_serializable result_too_large',
    'let n = 0; return { get a() { n += 1; return n === 1 ? 1 : n === 2 ? { b: () => 1 } : "x".repeat(2e7) } }',
  ),
  hostile('toJSON that never returns', 'timeout', 'return { toJSON() { for (;;); } }'),
  hostile(
    'toJSON that returns a bomb',
    'result_too_large memory_limit',
    'return { toJSON() { return "x".repeat(3e7) } }',
  ),
  hostile(
    'toJSON that returns itself',
    'completed result_not_serializable script_error',
    'const a = { toJSON() { return a } }; return a',
  ),
  hostile(
    'toJSON of Object.prototype',
    'completed script_error',
    'Object.prototype.toJSON = () => "taken over"; return { a: 1 }',
  ),
  hostile(
    'toJSON that throws a proxy',
    'result_not_serializable',
    'return { toJSON() { throw new Proxy({}, { get() { throw 1 } }) } }',
  ),
  hostile('a thenable that never settles', 'timeout', 'return { then() {} }'),
  hostile('a thenable that never returns', 'timeout', 'return { then() { for (;;); } }'),
  hostile('a promise that nothing settles', 'timeout', 'return new Promise(() => {})'),
  hostile('a cycle', 'result_not_serializable', 'const a = {}; a.a = a; return a'),
  hostile('a function inside', 'result_not_serializable', 'return { rows: [{ f() {} }] }'),
  hostile('a Map', 'result_not_serializable', 'return new Map([[1, 2]])'),
  hostile('a symbol', 'result_not_serializable', 'return [Symbol("x")]'),
  hostile(
    'nested a million deep',
    'result_not_serializable script_error',
    'let a = 1; for (let i = 0; i < 1e6; i++) a = [a]; return a',
  ),
  hostile('a text of 20 MB', 'result_too_large', 'return "x".repeat(2e7)'),
  hostile(
    'a million shared texts',
    'result_too_large',
    'const s = "x".repeat(1000); return new Array(1e6).fill(s)',
  ),
  hostile('a list of four billion holes', 'result_too_large', 'return new Array(2 ** 32 - 1)'),
  hostile('escapes that grow sixfold', 'result_too_large', 'return "\\u0001".repeat(5e6)'),
  hostile('characters of three bytes', 'result_too_large', 'return "\\u20ac".repeat(5e6)'),
  hostile('NUL and half characters', 'completed', 'return ["a\\u0000b", "\\ud800", "\\u001b[2J"]'),
  hostile('an invalid date', 'result_not_serializable', 'return new Date(NaN)'),
  hostile(
    'a date that lies',
    'completed script_error result_not_serializable',
    'const d = new Date(0); d.toISOString = () => ({}); d.toJSON = null; return d',
  ),
  hostile(
    'a throwing proxy thrown',
    'script_error',
    'throw new Proxy(new Error("x"), { get() { throw 1 }, getPrototypeOf() { throw 2 } })',
  ),
  hostile(
    'an error whose message never returns',
    'timeout',
    'throw { get message() { for (;;); } }',
  ),
  hostile(
    'an error whose stack is a bomb',
    'script_error',
    'const e = new Error("x"); e.stack = "at x\\n".repeat(1e6); throw e',
  ),
  hostile('an error with a message of 10 MB', 'script_error', 'throw new Error("m".repeat(1e7))'),
  hostile(
    'an error with terminal codes',
    'script_error',
    'throw new Error("\\u001b]0;owned\\u0007\\u001b[2J\\u0000")',
  ),
  hostile(
    'an error with fake frames',
    'script_error',
    'const e = new Error("x"); e.stack = "Error: x\\n    at secret (/etc/passwd:1:1)\\n    at process (node:internal:2:2)"; throw e',
  ),
  hostile('null thrown', 'script_error', 'throw null'),
  hostile(
    'an AggregateError of itself',
    'script_error',
    'const e = new AggregateError([], "x"); e.errors = [e]; e.cause = e; throw e',
  ),
  hostile(
    'a rejection that nobody awaits',
    'completed script_error',
    'Promise.reject(new Error("lost")); return 1',
  ),
  hostile(
    'a million log lines',
    'completed timeout',
    'for (let i = 0; i < 1e6; i++) ctx.log("line " + i); return 1',
  ),
  hostile(
    'log lines of 1 MB',
    'completed timeout',
    'const s = "x".repeat(1e6); for (let i = 0; i < 1e4; i++) ctx.log(s); return 1',
  ),
  hostile(
    'log of what bites',
    'completed script_error',
    `console.log(new Proxy({}, { get() { throw 1 } }))
    console.log({ toString() { throw 1 }, toJSON() { throw 2 } }, Symbol('x'), () => 1, 10n)
    console.error("\\u001b[2J\\u0000\\r\\nforged line")
    return 1`,
  ),
  hostile('log of an object that never ends', 'timeout', 'console.log({ toJSON() { for (;;); } })'),
  hostile(
    'a flood of progress',
    'completed timeout',
    'for (let i = 0; i < 1e6; i++) ctx.progress(i / 1e6, "m".repeat(1000)); return 1',
  ),
  hostile(
    'a flood of calls',
    'completed timeout memory_limit',
    'const all = []; for (let i = 0; i < 1e4; i++) all.push(ctx.metadata.get("k" + i)); await Promise.all(all); return 1',
  ),
  hostile(
    'metadata without end',
    'script_error timeout',
    'for (let i = 0; ; i++) await ctx.metadata.set("key" + i, "v".repeat(1000))',
  ),
  hostile(
    'metadata of 1 GB',
    'script_error memory_limit',
    'await ctx.metadata.set("k", "v".repeat(5e8))',
  ),
  hostile(
    'arguments that never end',
    'timeout',
    'await ctx.metadata.set("k", { get a() { for (;;); } })',
  ),
  hostile('sleep for ever', 'timeout', 'await ctx.sleep(1e15)'),
  hostile(
    'a hundred thousand sleeps',
    'timeout completed',
    'await Promise.all(Array.from({ length: 1e5 }, () => ctx.sleep(1)))',
  ),
  hostileModule(
    'a top level that never ends',
    'definition_error',
    'for (;;);\nexport default () => 1',
  ),
  hostileModule(
    'a top level that never settles',
    'definition_error',
    'await new Promise(() => {})\nexport default () => 1',
  ),
  hostileModule(
    'a top level that fills memory',
    'definition_error sandbox_crashed',
    'const a = []; for (;;) a.push(new Float64Array(1e6).fill(1))\nexport default () => 1',
  ),
  hostileModule(
    'a default export that is a proxy',
    'definition_error',
    'export default new Proxy({}, { get() { throw new Error("trap") }, has() { throw new Error("trap") } })',
  ),
  hostileModule(
    'a definition whose getter never returns',
    'definition_error',
    'export default { get parameters() { for (;;); }, run: () => 1 }',
  ),
  hostileModule(
    'a definition of 50 MB',
    'definition_error',
    'export default { title: "t".repeat(5e7), run: () => 1 }',
  ),
  hostileModule(
    'limits beyond the operator',
    'memory_limit timeout',
    `export default { limits: { memory: '900GB', timeoutSeconds: 86400 }, run() { const a = []; for (;;) a.push(new Float64Array(1e6).fill(1)) } }`,
  ),
  hostileModule(
    'a regular expression in a definition',
    'definition_error timeout parameter_error completed',
    `export default { parameters: { p: { type: 'string', pattern: '(a+)+$', default: 'a'.repeat(40) + 'b' } }, run: () => 1 }`,
  ),
  hostileModule(
    'another thing under run',
    'definition_error script_error',
    'export default { run: new Proxy(function () {}, { apply() { throw new Error("x") } }) }',
  ),
  hostileModule('no default export', 'definition_error', 'export const run = () => 1'),
  hostileModule(
    'a syntax error with terminal codes',
    'definition_error',
    'export default () => "\u001b[2J" +* 1',
  ),
]
