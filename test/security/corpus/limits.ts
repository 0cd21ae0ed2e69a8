import { type Case, run } from './case.ts'

const grown = { code: ['memory_limit', 'timeout', 'script_error'] } as const
const busy = { code: ['memory_limit', 'timeout'] } as const
/** Ends at the limit and nowhere else, soon enough for any machine. */
const full = { code: 'memory_limit' } as const
const absent = { code: 'script_error' } as const
const stuck = { code: ['timeout', 'cpu_limit', 'memory_limit'] } as const

/** Memory in every form, also outside of the heap. */
export const memoryCases: readonly Case[] = [
  run('arrays', 'const all = []; for (;;) all.push(new Array(1e6).fill(1.5))', grown),
  run('objects', 'const all = []; for (let i = 0; ; i++) all.push({ ["k" + i]: i })', grown),
  run('text', 'let text = "x"; for (;;) text += text.slice(1) + text', full),
  run('text, twice as long each time', 'let text = "x"; for (;;) text += text', full),
  run('one long text', 'return "x".repeat(2 ** 29 - 100).toUpperCase().length', busy),
  run('a text of nothing but separators', 'return new Array(2 ** 29).join("x")', full),
  run('text that matches', 'return "ab".repeat(2 ** 26).match(/a/g).length', busy),
  run('text read as JSON', 'return JSON.parse("[" + "0,".repeat(5e7) + "0]").length', busy),
  // V8 refuses to compile what it has no room for.
  run('text that becomes code', 'return eval("[" + "{a:1},".repeat(5e6) + "]").length', grown),
  run('one huge integer', 'return (1n << 2n ** 30n) > 0n', full),
  run('one huge array', 'return new Float64Array(2 ** 31).length', full),
  run(
    'slices of buffers',
    'const b = new ArrayBuffer(1e7), a = []; for (;;) a.push(b.slice(0))',
    full,
  ),
  run('symbols that stay', 'for (let i = 0; ; i++) Symbol.for("x".repeat(1e5) + i)', grown),
  run('promises that call themselves', 'const f = async () => 1 + await f(); return f()', {
    code: ['script_error', 'memory_limit', 'timeout'],
  }),
  run(
    'flat text',
    'const all = []; for (let i = 0; ; i++) all.push((i + "x".repeat(1e6)).toUpperCase())',
    grown,
  ),
  run('typed arrays', 'const all = []; for (;;) all.push(new Float64Array(1e6).fill(1))', grown),
  run(
    'array buffers',
    'const all = []; for (;;) all.push(new Uint8Array(new ArrayBuffer(5e7)).fill(1))',
    grown,
  ),
  run(
    'a resizable buffer',
    'const b = new ArrayBuffer(8, { maxByteLength: 2 ** 32 }); return [b.resizable, typeof b.resize]',
    { result: [false, 'undefined'] },
  ),
  run('a shared buffer', 'return typeof SharedArrayBuffer', { result: 'undefined' }),
  run('memory of WebAssembly', 'return typeof WebAssembly', { result: 'undefined' }),
  run('characters of one text', 'return "ab".repeat(1e8).split("").length', full),
  run(
    'arguments of calls that wait',
    'const s = "x".repeat(15e6); await Promise.all(Array.from({ length: 100 }, () => ctx.metadata.set("k", s + 1).catch(() => 1))); return 1',
    grown,
  ),
  run('a map', 'const map = new Map(); for (let i = 0; ; i++) map.set(i, { i })', grown),
  run('closures', 'let f = () => 1; for (;;) { const g = f; f = () => g; }', grown),
  run(
    'replacements',
    'return "x".repeat(2 ** 20).replace(/x/g, "y".repeat(2 ** 12)).length',
    grown,
  ),
  run('join', 'return new Array(2 ** 25).fill("xxxxxxxxxxxxxxx").join("y").length', grown),
  run(
    'Intl',
    'const all = []; for (;;) all.push(new Intl.DateTimeFormat("ar-u-nu-arab", { dateStyle: "full" }))',
    grown,
  ),
  run(
    'regular expressions',
    'const all = []; for (let i = 0; ; i++) { const r = new RegExp("(a" + i + "|b){1,200}"); r.test("ab"); all.push(r) }',
    grown,
  ),
  run('promises', 'const all = []; for (;;) all.push(new Promise(() => {}).then(() => 1))', grown),
  run('big integers', 'let n = 2n; for (;;) n = n * n', { code: [...grown.code, 'cpu_limit'] }),
  run('arguments of calls', 'await ctx.metadata.set("k", "x".repeat(3e7)); return 1', {
    code: ['script_error', 'datasource_error', 'memory_limit'],
  }),
]

/** CPU, also in builtins that nothing interrupts, and after a reply of the host. */
export const cpuCases: readonly Case[] = [
  run('a loop', 'for (;;);', stuck),
  run('a loop in finally', 'try { for (;;); } finally { for (;;); }', stuck),
  run('a loop after a reply', 'await ctx.metadata.get("k"); for (;;);', stuck),
  run('a loop of awaits', 'for (;;) await null', stuck),
  run('a flood of microtasks', 'const f = () => Promise.resolve().then(f); await f()', stuck),
  run('a loop of calls', 'for (;;) await ctx.metadata.get("k")', stuck),
  run('backtracking', 'return /^(a+)+$/.test("a".repeat(40) + "!")', stuck),
  run('indexOf over four billion', 'return new Array(2 ** 32 - 1).indexOf(1)', stuck),
  run(
    'sorting what is not there',
    'return new Array(2 ** 25).fill().map(Math.random).sort().length',
    stuck,
  ),
  run('a power of big integers', 'return String(7n ** (2n ** 26n)).length', {
    code: [...stuck.code, 'script_error'],
  }),
  run('deep recursion', 'const f = () => f() + 1; return f()', absent),
  run(
    'deep recursion through proxies',
    'let p = {}; for (let i = 0; i < 1e5; i++) p = new Proxy(p, {}); return p.x',
    absent,
  ),
  run(
    'deep recursion through JSON',
    'const a = { toJSON: () => JSON.stringify(a) }; return JSON.stringify(a)',
    absent,
  ),
  run('a promise that never settles', 'await new Promise(() => {})', { code: 'timeout' }),
  run('a sleep without end', 'await ctx.sleep(1e9)', { code: 'timeout' }),
  run('waiting for other threads', 'Atomics.wait(new Int32Array(8), 0, 0)', absent),
]

/** Floods: lines, bytes, progress, calls. */
export const floodCases: readonly Case[] = [
  run('lines', 'for (let i = 0; i < 50_000; i++) ctx.log("line " + i); return 1', { result: 1 }),
  run('long lines', 'for (let i = 0; i < 500; i++) ctx.log("x".repeat(1e5)); return 1', {
    result: 1,
  }),
  run('the console', 'for (let i = 0; i < 50_000; i++) console.error(i, { i }); return 1', {
    result: 1,
  }),
  run(
    'control characters',
    'ctx.log("\\u001b]0;owned\\u0007\\0\\u202e\\r\\n[fake] line"); return 1',
    { result: 1 },
  ),
  run('a log of a getter that loops', 'ctx.log({ get a() { for (;;); } })', { code: 'timeout' }),
  run(
    'progress',
    'for (let i = 0; i < 50_000; i++) ctx.progress(i / 50_000, "x".repeat(1000)); return 1',
    { result: 1 },
  ),
  run(
    'a thousand calls at once',
    'return (await Promise.all(Array.from({ length: 1000 }, (_, i) => ctx.metadata.get("k" + i)))).length',
    {
      result: 1000,
    },
  ),
  run(
    'calls that double',
    'const f = () => { ctx.metadata.get("x").then(f, f); ctx.metadata.get("y").then(f, f) }; f(); await new Promise(() => {})',
    stuck,
  ),
  run(
    'streams',
    'const streams = Array.from({ length: 200 }, () => ctx.datasource.shop.stream("select generate_series(1, 9) as a", [], 1)[Symbol.asyncIterator]()); return (await Promise.all(streams.map((one) => one.next().then(() => 1, () => 0)))).length',
    { result: 200 },
  ),
  run(
    'sleeps',
    'return (await Promise.all(Array.from({ length: 5000 }, () => ctx.sleep(1)))).length',
    {
      result: 5000,
    },
  ),
  run('keys of metadata', 'for (let i = 0; i < 2000; i++) await ctx.metadata.set("key" + i, i)', {
    code: ['script_error', 'timeout'],
  }),
]
