import { hostile } from './hostile-script.ts'

const memory = 'memory_limit timeout script_error'

/** Memory in every form, and time that nothing inside can interrupt. */
export const resources = [
  hostile('arrays', 'memory_limit', 'const a = []; for (;;) a.push(new Array(1e5).fill(0))'),
  hostile('objects', memory, 'const a = []; for (let i = 0; ; i++) a.push({ i, s: "x" + i })'),
  hostile(
    'strings',
    memory,
    'const a = []; for (let i = 0; ; i++) a.push(("x" + i).repeat(1e5).toUpperCase())',
  ),
  hostile('a Map that grows', memory, 'const m = new Map(); for (let i = 0; ; i++) m.set(i, i)'),
  hostile(
    'closures',
    memory,
    'let f = () => 0; for (let i = 0; ; i++) { const g = f; f = () => g }',
  ),
  hostile(
    'promises',
    memory,
    'const a = []; for (;;) a.push(Promise.resolve().then(() => new Promise(() => {})))',
  ),
  hostile(
    'typed arrays',
    'memory_limit',
    'const a = []; for (;;) a.push(new Uint8Array(1e7).fill(1))',
  ),
  hostile(
    'array buffers that are dropped',
    'timeout memory_limit completed',
    'for (let i = 0; i < 1e5; i++) new ArrayBuffer(5e7); return 1',
  ),
  hostile(
    'resizable buffers',
    memory,
    'const a = []; for (;;) { const b = new ArrayBuffer(1, { maxByteLength: 1e9 }); b.resize?.(1e9); a.push(b, new Uint8Array(b).fill(1)) }',
  ),
  hostile(
    'transferred buffers',
    memory,
    'const a = []; for (;;) { const b = new ArrayBuffer(1e6); const t = b.transfer ? b.transfer(2e8) : new ArrayBuffer(2e8); new Uint8Array(t).fill(1); a.push(t) }',
  ),
  hostile(
    'buffers by subclass and Reflect',
    memory,
    'class B extends ArrayBuffer {}; const a = []; for (;;) { const b = Reflect.construct(ArrayBuffer, [1, { maxByteLength: 1e9 }], B); b.resize?.(1e9); a.push(b, new ArrayBuffer(3e8)) }',
  ),
  hostile('shared memory', 'script_error', 'new SharedArrayBuffer(1e9)'),
  hostile('WebAssembly memory', 'script_error', 'new WebAssembly.Memory({ initial: 65536 })'),
  hostile(
    'constructors of buffers by prototypes',
    memory,
    'const C = new Uint8Array(1).buffer.constructor; const a = []; for (;;) a.push(new C(1, { maxByteLength: 2e9 }), new C(3e8))',
  ),
  hostile('BigInt', memory, 'let b = 2n ** 1000000n; for (;;) b *= b'),
  hostile(
    'Intl objects',
    memory,
    'const a = []; for (;;) a.push(new Intl.DateTimeFormat("de", { timeZone: "Europe/Berlin" }))',
  ),
  hostile(
    'regular expressions',
    memory,
    'const a = []; for (let i = 0; ; i++) { const r = new RegExp("(?:a|b){1000}" + i); r.test("ab"); a.push(r) }',
  ),
  hostile(
    'compiled functions',
    memory,
    'const a = []; for (let i = 0; ; i++) a.push(Function("return " + JSON.stringify("x".repeat(1e5) + i)))',
  ),
  hostile(
    'JSON.parse',
    memory,
    'const a = []; for (;;) a.push(JSON.parse("[" + "[],".repeat(1e5) + "0]"))',
  ),
  hostile(
    'join and replace',
    memory,
    'const a = []; for (;;) a.push("x".repeat(1e7).replaceAll("x", "yyyyyyyy").split("").join("zz"))',
  ),
  hostile('normalize', memory, 'for (;;) "\\u0130".repeat(2 ** 26).normalize("NFKD")'),
  hostile(
    'symbols and weak references',
    memory,
    'const a = []; for (let i = 0; ; i++) a.push(Symbol("s".repeat(1000) + i), new WeakRef({}), new FinalizationRegistry(() => {}))',
  ),
  hostile(
    'generators left open',
    memory,
    'const a = []; for (;;) { const g = (function* () { const kept = new Array(1000).fill(0); yield kept })(); g.next(); a.push(g) }',
  ),
  hostile('a proxy chain', memory, 'let p = {}; for (;;) p = new Proxy(p, {})'),
  hostile(
    'a deep proxy chain that is used',
    'script_error timeout',
    'let p = {}; for (let i = 0; i < 1e5; i++) p = new Proxy(p, {}); return p.x',
  ),
  hostile('recursion', 'script_error', 'const f = () => f() + 1; return f()'),
  hostile(
    'recursion through JSON',
    'script_error',
    'const o = { toJSON() { return JSON.stringify(o) } }; return JSON.stringify(o)',
  ),
  hostile(
    'recursion through Function',
    'script_error timeout memory_limit',
    'globalThis.f = () => Function("return f()")(); return f()',
  ),
  hostile(
    'recursion through getters and sort',
    'script_error',
    'const f = () => [3, 2, 1].sort(() => f()); return f()',
  ),
  hostile(
    'a stack in the error of a stack',
    'script_error timeout',
    'Error.stackTraceLimit = Infinity; const f = () => { try { return f() + 1 } catch (e) { return e.stack.length + f() } }; return f()',
  ),
  hostile('a loop', 'timeout', 'for (;;);'),
  hostile('a loop in finally', 'timeout', 'try { for (;;); } finally { for (;;); }'),
  hostile('a loop after a call', 'timeout', 'await ctx.metadata.get("x"); for (;;);'),
  hostile('a loop of microtasks', 'timeout memory_limit', 'for (;;) await null'),
  hostile(
    'a loop in a reply handler',
    'timeout',
    'await new Promise((resolve) => { ctx.metadata.get("x").then(() => { for (;;); }) })',
  ),
  hostile(
    'a loop in a stream',
    'timeout',
    'for await (const row of ctx.datasource.shop.stream("select generate_series(1, 10)", [], 1)) for (;;);',
  ),
  hostile('backtracking', 'timeout', 'return /^(a+)+$/.test("a".repeat(50) + "b")'),
  hostile(
    'indexOf over four billion holes',
    'timeout',
    'return Array.prototype.indexOf.call({ length: 2 ** 40 }, 1)',
  ),
  hostile(
    'fill and copyWithin',
    'timeout memory_limit',
    'Array.prototype.fill.call({ length: 2 ** 40 }, 1)',
  ),
  hostile(
    'sort with a comparator that lies',
    'timeout memory_limit completed',
    'for (;;) new Array(1e6).fill(0).map((_, i) => (i * 7919) % 1e6).sort(() => -1)',
  ),
  hostile(
    'BigInt parsing and printing',
    'timeout memory_limit',
    'for (;;) BigInt("9".repeat(1e7)).toString()',
  ),
  hostile(
    'BigInt powers',
    'timeout memory_limit script_error',
    'let b = 3n; for (;;) b = b ** 3n % (2n ** 400000n)',
  ),
  hostile(
    'localeCompare',
    'timeout memory_limit',
    'const a = "\\u0130".repeat(1e6); for (;;) a.localeCompare(a + "x", "tr")',
  ),
  hostile(
    'JSON of large trees',
    'timeout memory_limit',
    'const a = new Array(1e6).fill({ a: 1 }); for (;;) JSON.parse(JSON.stringify(a))',
  ),
  hostile(
    'reduce over a large range',
    'timeout memory_limit',
    'return Array.prototype.reduce.call({ length: 2 ** 50 }, () => 0, 0)',
  ),
  hostile(
    'getOwnPropertyNames of a large typed array',
    'timeout memory_limit',
    'for (;;) Object.getOwnPropertyNames(new Uint8Array(5e6))',
  ),
]
