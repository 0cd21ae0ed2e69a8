import { type Case, run, script } from './case.ts'

const timeout = { code: 'timeout' } as const
const failed = { code: 'script_error' } as const
const refused = { code: 'result_not_serializable' } as const
const tooLarge = { code: ['result_too_large', 'memory_limit'] } as const

/** Results and errors that are traps: getters, proxies, toJSON, sizes. */
export const resultCases: readonly Case[] = [
  run('a getter that loops', 'return { get a() { for (;;); } }', timeout),
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
