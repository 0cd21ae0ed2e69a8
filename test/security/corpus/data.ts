import { type Case, duckdb, postgres, run } from './case.ts'

const refused = { code: 'datasource_error' } as const
const ended = { code: ['datasource_error', 'timeout'] } as const

/** SQL of a job's DuckDB that looks for files, the network, settings or other instances. */
export const duckdbCases: readonly Case[] = [
  duckdb("select * from read_text('/etc/passwd')"),
  duckdb("select * from read_blob('/proc/self/environ')"),
  duckdb("select * from read_csv('$OUT/secret.csv')"),
  duckdb("select * from '$OUT/secret.csv'"),
  duckdb("select * from glob('/etc/*')"),
  duckdb("select getenv('KILN_CANARY')"),
  duckdb("select * from read_csv('http://127.0.0.1:9/x.csv')"),
  duckdb("select * from read_parquet('s3://bucket/x.parquet')"),
  duckdb("copy (select 1) to '$OUT/$MARK.csv'"),
  duckdb("copy (select 1) to '/tmp/$MARK.csv'"),
  duckdb("explain analyze copy (select 1) to '$OUT/$MARK.csv'"),
  duckdb("attach '$OUT/$MARK.duckdb' as other"),
  duckdb("attach '$OUT/warehouse.duckdb' as again"),
  duckdb("export database '$OUT/$MARK'"),
  duckdb('install httpfs'),
  duckdb("load '$OUT/evil.duckdb_extension'"),
  duckdb('set enable_external_access = true'),
  duckdb("set temp_directory = '$OUT'"),
  duckdb('pragma threads = 64'),
  duckdb("pragma profiling_output = '$OUT/$MARK'"),
  duckdb("call enable_logging(storage = 'file', storage_path = '$OUT/$MARK')"),
  duckdb("create persistent secret s (type s3, key_id 'a')"),
  duckdb('select 1; select 2'),
  duckdb('begin'),
  duckdb('insert into warehouse.t values (1)'),
  duckdb("select length(repeat('x', 20000000000))"),
  duckdb(
    'with recursive r as (select 1 as a union all select a + 1 from r) select max(a) from r',
    ended,
  ),
  duckdb(
    'select count(*) from range(100000000) a, range(100000) b where a.range % 7 = b.range % 7',
    ended,
  ),
  duckdb(
    'select max(s) from (select md5(range::text) as s, range from range(30000000) order by s)',
    {
      code: ['datasource_error', 'timeout'],
    },
  ),
  run(
    'logging by a hidden name harms the own instance only',
    `await ctx.duckdb.query("select * from query('select * from enable_' || 'logging(storage = ''file'', storage_path = ''$OUT/$MARK'')')")
      .catch(() => undefined)
    return 1`,
    { result: 1 },
  ),
  run(
    'writing over a datasource of files',
    `const out = []
    for (const sql of ["copy (select 1) to 'inputs/birds/0-birds.csv'", 'drop view birds', "insert into birds values ('x', 1)"])
      try { await ctx.duckdb.exec(sql); out.push(sql) } catch {}
    return out.filter((sql) => !sql.startsWith('drop'))`,
    { result: [] },
  ),
  run(
    'an export to elsewhere',
    `const out = []
    await ctx.duckdb.exec('create table t as select 1 as a')
    for (const file of ['$OUT/$MARK.csv', '../$MARK.csv', '../../../$MARK.csv', '/tmp/$MARK.parquet', 'a/../../$MARK.csv'])
      try { await ctx.duckdb.export('t', file); out.push(file) } catch {}
    return out`,
    { result: [] },
  ),
]

/** SQL on Postgres, as a role that may read one table. */
export const postgresCases: readonly Case[] = [
  postgres('insert into numbers values (0)'),
  postgres('with x as (delete from numbers returning n) select * from x'),
  postgres('select 1; insert into numbers values (0)'),
  postgres('create table $MARK (a int)'),
  postgres('set role postgres'),
  postgres('set session authorization postgres'),
  postgres("select set_config('role', 'postgres', false), pg_read_file('/etc/passwd')"),
  postgres("select pg_read_file('/etc/passwd')"),
  postgres("select pg_ls_dir('/')"),
  postgres("copy numbers to program 'touch /tmp/$MARK'"),
  postgres("copy numbers to '/tmp/$MARK'"),
  postgres('copy numbers to stdout'),
  postgres("select lo_export(1, '/tmp/$MARK')"),
  postgres('select * from analysis_datasources'),
  postgres('select pg_sleep(60)', ended),
  postgres(
    'select pg_terminate_backend(pid) from pg_stat_activity where pid <> pg_backend_pid() and usename <> current_user',
  ),
  postgres("select repeat('x', 900000000)"),
  postgres(
    'select count(*) from (select md5(n::text) as m from generate_series(1, 100000000) as n order by m) as s',
    ended,
  ),
  run(
    'an advisory lock that is kept',
    `await ctx.datasource.shop.query('select pg_advisory_lock(4711) is null as a'); return 1`,
    {
      result: 1,
    },
  ),
  run(
    'a session that is made writable',
    `const out = []
    for (const sql of ["select set_config('transaction_read_only', 'off', false)", 'commit', 'set default_transaction_read_only = off'])
      await ctx.datasource.shop.query(sql).catch(() => undefined)
    await ctx.datasource.shop.query('insert into numbers values (0) returning n').then((rows) => out.push(rows), () => undefined)
    return out`,
    { result: [] },
  ),
]

/** What a script did not declare, and names that are paths. */
export const reachCases: readonly Case[] = [
  run('an undeclared datasource', `return await ctx.datasource.query('private', 'select 1')`, {
    code: 'dependency_error',
  }),
  run('an undeclared analysis', `return await ctx.runAnalysis('neighbour', {})`, {
    code: 'dependency_error',
  }),
  run(
    'a datasource by a path',
    `return await ctx.datasource.query('../../etc/passwd', 'select 1')`,
    {
      code: ['dependency_error', 'script_error'],
    },
  ),
  run(
    'arguments of other types',
    `return await ctx.datasource.shop.query({ toString: () => 'select 1' }, 5)`,
    {
      code: 'script_error',
    },
  ),
  run(
    'a stream that is never closed',
    `const it = ctx.datasource.shop.stream('select n from generate_series(1, 1000000) as n', [], 10)[Symbol.asyncIterator](); await it.next(); return 1`,
    {
      result: 1,
    },
  ),
  run(
    'a file datasource',
    `return await ctx.datasource.birds.query("select * from read_text('$OUT/secret.csv')")`,
    refused,
  ),
]
