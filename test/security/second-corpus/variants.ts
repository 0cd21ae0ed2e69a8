import { hostile, hostileModule } from './hostile-script.ts'

const pattern = (text: string, value: string): string =>
  `export default { parameters: { p: { type: 'string', pattern: ${JSON.stringify(text)}, default: ${JSON.stringify(value)} } }, run: () => 1 }`

/** What the other files try, from another side. */
export const variants = [
  hostileModule(
    'a pattern of a parameter that backtracks in the executor',
    'definition_error parameter_error timeout',
    pattern('^(a|a)*$', `${'a'.repeat(60)}b`),
  ),
  hostileModule(
    'a pattern with nested repeats',
    'definition_error parameter_error timeout',
    pattern('(x+x+)+y', 'x'.repeat(200)),
  ),
  hostileModule(
    'a pattern with a lookahead',
    'definition_error parameter_error timeout',
    pattern('^(?=(a+)+$)b', `${'a'.repeat(60)}c`),
  ),
  hostileModule(
    'parameters named like the prototype',
    'completed definition_error parameter_error',
    `export default { parameters: JSON.parse('{"__proto__": {"type": "string", "default": "x"}, "constructor": {"type": "string", "default": "y"}}'), run: (ctx, params) => Object.keys(params) }`,
  ),
  hostileModule(
    'a hundred thousand parameters',
    'definition_error completed',
    `export default { parameters: Object.fromEntries(Array.from({ length: 1e5 }, (_, i) => ['p' + i, { type: 'string' }])), run: () => 1 }`,
  ),
  hostileModule(
    'TypeScript nested a hundred thousand deep',
    'definition_error sandbox_crashed memory_limit',
    `export default (p: any) => ${'('.repeat(1e5)}1${')'.repeat(1e5)}`,
  ),
  hostileModule(
    'JavaScript nested a hundred thousand deep',
    'definition_error sandbox_crashed memory_limit',
    `export default () => ${'['.repeat(1e5)}${']'.repeat(1e5)}`,
  ),
  hostileModule(
    'a source of a million statements',
    'completed definition_error memory_limit timeout',
    `export default () => 1\n${'let a; { let b = 1 }\n'.slice(7).repeat(2e5)}`,
  ),
  hostileModule(
    'a template string without an end',
    'definition_error',
    `export default () => \`\${`,
  ),
  hostileModule(
    'a default export that changes between reads',
    'completed definition_error script_error',
    `let n = 0; const f = () => 1; const g = { get run() { n += 1; if (n > 1) throw new Error('other'); return f } }; export default g`,
  ),
  hostileModule(
    'a title that drives terminals',
    'completed definition_error',
    `export default { title: '\\u001b]0;x\\u0007\\u001b[2J'.repeat(10), run: () => 1 }`,
  ),
  hostileModule(
    'a schedule that fires each second',
    'completed definition_error',
    `export default { schedule: '* * * * * *', run: () => 1 }`,
  ),
  hostile(
    'a recursive macro',
    'datasource_error timeout',
    'await ctx.duckdb.exec("create macro f(x) as f(x) + 1"); await ctx.duckdb.query("select f(1)")',
  ),
  hostile(
    'macros that grow exponentially',
    'datasource_error timeout',
    `await ctx.duckdb.exec('create macro f0(x) as (x + x + x + x)')
    for (let i = 1; i < 16; i++) await ctx.duckdb.exec('create macro f' + i + '(x) as f' + (i - 1) + '(x) + f' + (i - 1) + '(x + 1) + f' + (i - 1) + '(x + 2)')
    await ctx.duckdb.query('select f15(1)')`,
  ),
  hostile(
    'views that grow exponentially',
    'datasource_error timeout completed',
    `await ctx.duckdb.exec('create view v0 as select 1 as a')
    for (let i = 1; i < 18; i++) await ctx.duckdb.exec('create view v' + i + ' as select * from v' + (i - 1) + ' union all select * from v' + (i - 1))
    await ctx.duckdb.query('select count(*) from v17')`,
  ),
  hostile(
    'ten thousand tables and a thousand columns',
    'datasource_error timeout completed script_error',
    `for (let i = 0; i < 1e4; i++) await ctx.duckdb.exec('create table t' + i + ' as select ' + Array.from({ length: 1000 }, (_, c) => c + ' as c' + c).join(', '))`,
  ),
  hostile(
    'eight large answers at a time',
    'datasource_error timeout memory_limit completed',
    `await Promise.all(Array.from({ length: 64 }, () => ctx.duckdb.query("select repeat('x', 40000000) as a")))
    return 1`,
  ),
  hostile(
    'a lateral bomb of text',
    'datasource_error timeout',
    `await ctx.duckdb.query("select string_agg(repeat('x', 100000), '') from range(1000000)")`,
  ),
  hostile(
    'exports without end',
    'datasource_error timeout',
    `await ctx.duckdb.exec("create table big as select i, md5(i::text) as m from range(2000000) t(i)")
    for (let i = 0; ; i++) await ctx.duckdb.export('big', 'file' + i + '.csv')`,
  ),
  hostile(
    'a statement of 10 MB',
    'script_error datasource_error timeout',
    'await ctx.duckdb.query("select " + "1 +".repeat(3e6) + " 1")',
  ),
  hostile(
    'arguments of 500 MB',
    'script_error memory_limit timeout',
    'await ctx.duckdb.query("x".repeat(5e8))',
  ),
  hostile(
    'numbers and cursors that are not its own',
    'completed',
    `const through = []
    for (const value of [-1, 0, 1, 2 ** 31, NaN, '1', {}, [], null]) {
      try { for await (const row of ctx.datasource.shop.stream('select 1', [], value)) { through.push(typeof value) } } catch {}
    }
    return through.filter((type) => type !== 'number')`,
  ),
  hostile(
    'child jobs of itself',
    'dependency_error script_error',
    'await ctx.runAnalysis(ctx.analysis.name)',
  ),
  hostile(
    'a finalizer that loops',
    'timeout completed memory_limit',
    `const r = new FinalizationRegistry(() => { for (;;); })
    for (let i = 0; i < 1e5; i++) r.register({}, i)
    await ctx.sleep(100)
    return 1`,
  ),
  hostile(
    'work after the answer',
    'completed',
    `const loop = async () => { for (;;) await ctx.sleep(1) }
    void loop()
    void ctx.duckdb.query('select count(*) from range(1000000000000)').catch(() => 0)
    return 1`,
    1,
  ),
  hostile(
    'an async iterator that never ends in the result',
    'result_not_serializable script_error completed',
    'return (async function* () { for (;;) yield 1 })()',
  ),
  hostile(
    'Error.captureStackTrace on ctx',
    'completed script_error',
    `Error.captureStackTrace(Object.prototype)
    Error.stackTraceLimit = 1e9
    return 1`,
  ),
  hostile(
    'an array that lies about its length',
    'completed result_too_large result_not_serializable script_error timeout',
    `const a = [1]; Object.defineProperty(Array.prototype, 5, { get() { return 'x'.repeat(1e8) } }); a.length = 10; return a`,
  ),
  hostile(
    'text of half characters in the log',
    'completed',
    'for (let i = 0; i < 1000; i++) ctx.log("\\ud800".repeat(4000)); return 1',
    1,
  ),
  hostile(
    'a date far away and names of no encoding',
    'script_error datasource_error',
    `await ctx.datasource.shop.query("select '\\ud800' as a, $1", ["\\udfff\\u0000"])`,
  ),
  hostile(
    'notifications to Kiln',
    'completed datasource_error',
    `await ctx.datasource.shop.query("select pg_notify('kiln_cancel', 'x'), pg_notify('kiln_jobs', 'x')")
    return 1`,
  ),
  hostile(
    'all connections of the server',
    'completed datasource_error timeout',
    `const open = []
    for (let i = 0; i < 200; i++) open.push(ctx.datasource.shop.query('select pg_sleep(0.2)').catch(() => 0))
    await Promise.all(open)
    return 1`,
  ),
  hostile(
    'XML and JSON that run SQL',
    'completed',
    `const through = []
    for (const sql of [
      "select query_to_xml('insert into goods values (10) returning 1', true, true, '')",
      "select * from xmltable('/a' passing query_to_xml('select * from secrets', true, true, '') columns x text)",
      "select table_to_xml('secrets', true, true, '')",
      "select database_to_xml(true, true, '')",
    ]) try { through.push(JSON.stringify(await ctx.datasource.shop.query(sql)).includes('canary')) } catch {}
    return through.includes(true)`,
    false,
  ),
]
