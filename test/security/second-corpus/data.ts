import { hostile, refusesAll, refusesSql } from './hostile-script.ts'

const duckdb = 'ctx.duckdb.query(SQL)'
const exec = 'ctx.duckdb.exec(SQL)'
const shop = 'ctx.datasource.shop.query(SQL)'

/** SQL against the file system, the network, other databases and the settings. */
export const data = [
  refusesSql('DuckDB reads files', duckdb, [
    "select * from read_csv('/etc/passwd')",
    "select * from read_text('/etc/passwd')",
    "select * from read_blob('/proc/self/environ')",
    "select * from read_text('../../../folder-id')",
    "select * from read_text('../../../../../../etc/passwd')",
    "select * from glob('/*')",
    "select * from glob('../../*')",
    "select * from '/etc/passwd'",
    "select * from read_text('$OUTSIDE/secret.csv')",
    "select * from read_csv('$OUTSIDE/sales.csv')",
    "select * from sniff_csv('/etc/passwd')",
    "select * from parquet_schema('/etc/passwd')",
    "select * from read_json('/proc/1/environ')",
    "select getenv('CANARY_SECRET')",
    "select * from read_text('file:///etc/passwd')",
    "select * from query('select * from read_text(''/etc/passwd'')')",
    "select * from query_table('/etc/passwd')",
    "with t as (select * from read_text('/etc/passwd')) select * from t",
  ]),
  refusesSql('DuckDB goes to the network', duckdb, [
    "select * from read_csv('http://127.0.0.1:1/x')",
    "select * from read_parquet('s3://bucket/x')",
    "select * from 'https://example.com/x.csv'",
    "select * from postgres_scan('host=127.0.0.1', 'public', 't')",
    "select * from sqlite_scan('/x', 't')",
  ]),
  refusesSql('DuckDB writes files', exec, [
    "copy (select 1) to '/tmp/kiln-was-here'",
    "copy (select 1) to 'kiln-was-here.csv'",
    "copy (select 1) to '../inputs/sales/0-sales.csv'",
    "copy (select 1) to '$OUTSIDE/sales.csv'",
    "copy (select 1) to '$OUTSIDE/warehouse.duckdb' (format csv)",
    "export database '/tmp/kiln-was-here'",
    "explain analyze copy (select 1) to '/tmp/kiln-was-here'",
    "/* */ copy (select 1) to '/tmp/kiln-was-here'",
    "prepare p as copy (select 1) to '/tmp/kiln-was-here'",
    "create table t as from (copy (select 1) to '/tmp/kiln-was-here')",
    "attach '/tmp/kiln-was-here.duckdb' as x",
    "attach '$OUTSIDE/warehouse.duckdb' as again",
    'insert into sales values (1)',
    'update warehouse.t set a = 2',
    'create table warehouse.u as select 1',
    'drop view if exists warehouse.v cascade; drop table warehouse.t',
  ]),
  refusesSql('DuckDB settings and extensions', exec, [
    'install httpfs',
    'load httpfs',
    "load '/tmp/evil.duckdb_extension'",
    'force install spatial from community',
    "set memory_limit = '100GB'",
    'set threads = 64',
    'set enable_external_access = true',
    'set lock_configuration = false',
    "set temp_directory = '/tmp'",
    "set global allowed_directories = ['/']",
    "set custom_user_agent = 'x'",
    "set variable x = getenv('HOME')",
    'reset all',
    'pragma enable_profiling',
    "pragma profile_output = '/tmp/kiln-was-here'",
    'pragma database_list',
    "call enable_logging(storage = 'file', storage_path = '/tmp/kiln-was-here')",
    "select * from enable_logging(storage = 'file', storage_path = '/tmp/kiln-was-here')",
    'begin transaction',
    'checkpoint',
    'detach warehouse',
    'use warehouse',
    "create persistent secret s (type s3, key_id 'a', secret 'b')",
    'select 1; select 2',
    "comment on table sales is 'x'; copy sales to '/tmp/kiln-was-here'",
  ]),
  refusesAll('exports that leave the folder', [
    'ctx.duckdb.export("sales", "/tmp/kiln-was-here.csv")',
    'ctx.duckdb.export("sales", "../kiln-was-here.csv")',
    'ctx.duckdb.export("sales", "a/b.csv")',
    'ctx.duckdb.export("sales", "..csv/../../x.csv")',
    'ctx.duckdb.export("sales", "x.csv\\u0000.parquet")',
    'ctx.duckdb.export("sales", "x.duckdb")',
    `ctx.duckdb.export("sales", "x.csv' (format csv); drop table t; --.csv")`,
    `ctx.duckdb.export("read_text('/etc/passwd')", "x.csv")`,
    `ctx.duckdb.export("(select 1)", "x.csv")`,
  ]),
  hostile(
    'a hidden switch of the log harms only its own instance',
    'completed',
    `await ctx.duckdb.query("select * from query('select * from enable_' || 'logging(storage = ''file'', storage_path = ''/tmp/kiln-was-here'')')").catch(() => 0)
    await ctx.duckdb.query('select 1').catch(() => 0)
    return 1`,
    1,
  ),
  hostile(
    'a DuckDB memory bomb in one call',
    'datasource_error timeout',
    `await ctx.duckdb.query("select repeat('x', 2000000000)")`,
  ),
  hostile(
    'a DuckDB list bomb',
    'datasource_error timeout',
    'await ctx.duckdb.query("select list(i) from range(1000000000) t(i)")',
  ),
  hostile(
    'a DuckDB temp-file bomb',
    'datasource_error timeout',
    `await ctx.duckdb.query("select count(*) from (select md5(i::text) m, repeat('x', 200) from range(1000000000) t(i) order by m)")`,
  ),
  hostile(
    'a DuckDB table without end',
    'datasource_error timeout',
    `await ctx.duckdb.exec("create table t as select i, md5(i::text) as m from range(100000000000) t(i)")`,
  ),
  hostile(
    'a DuckDB query without end',
    'timeout',
    'await ctx.duckdb.query("select count(*) from range(10000000000) a(i), range(10000000000) b(j)")',
  ),
  hostile(
    'a scalar that no interrupt ends',
    'timeout datasource_error',
    `await ctx.duckdb.query("select levenshtein(repeat('ab', 50000), repeat('ba', 50000))")`,
  ),
  hostile(
    'recursion in SQL',
    'timeout datasource_error',
    'await ctx.duckdb.query("with recursive t as (select 1 as a union all select a + 1 from t) select count(*) from t")',
  ),
  hostile(
    'a statement of 1 MB parentheses',
    'datasource_error script_error sandbox_crashed',
    'await ctx.duckdb.query("select " + "(".repeat(4e5) + "1" + ")".repeat(4e5))',
  ),
  hostile(
    'a result of ten million rows',
    'datasource_error timeout memory_limit',
    'return (await ctx.duckdb.query("select i, i, i, i from range(10000000) t(i)")).length',
  ),
  hostile(
    'many streams left open',
    'completed datasource_error',
    `const open = []
    for (let i = 0; i < 20; i++) {
      const it = ctx.duckdb.stream?.('select 1') ?? ctx.datasource.shop.stream('select 1')
      open.push(it[Symbol.asyncIterator]().next())
    }
    await Promise.all(open)
    return 1`,
  ),
  hostile(
    'names of tables that are SQL',
    'completed',
    `const through = []
    for (const name of ['t; drop table sales', 't" (a int); --', "x'; copy sales to '/tmp/kiln-was-here'; --", '\\u0000']) {
      try { await ctx.duckdb.load('shop', 'select 1 as a', name) } catch {}
      try { through.push(await ctx.duckdb.describe(name + '; select 1')) } catch {}
    }
    return through`,
    [],
  ),
  refusesSql('Postgres is written to', shop, [
    'insert into goods values (2)',
    'with x as (insert into goods values (3) returning 1) select * from x',
    'update goods set a = 0',
    'delete from goods',
    'truncate goods',
    'drop table goods',
    'create table u (a int)',
    'create temp table u (a int)',
    'select 1 as a into u',
    'select * from goods for update',
    "select nextval('numbers')",
    'select write_goods()',
    "do 'begin commit; insert into goods values (4); end'",
    'call write_and_commit()',
  ]),
  refusesSql('Postgres sessions are turned over', shop, [
    'select 1; select 2',
    'commit; insert into goods values (5)',
    'begin',
    'commit',
    'rollback',
    'set role postgres',
    'set session authorization postgres',
    'reset role',
    'set transaction read write',
    'set default_transaction_read_only = off',
    "select set_config('transaction_read_only', 'off', false)",
    "select set_config('role', 'postgres', false)",
    'discard all',
    'listen x',
    'lock table goods',
    'declare c cursor with hold for select 1',
    'prepare p as select 1',
    "load 'auto_explain'",
  ]),
  refusesSql('Postgres reads and runs what lies on its machine', shop, [
    "select pg_read_file('/etc/passwd')",
    "select pg_read_binary_file('PG_VERSION')",
    "select pg_ls_dir('/')",
    'select * from pg_ls_logdir()',
    "select lo_import('/etc/passwd')",
    "select lo_export(1, '/tmp/kiln-was-here')",
    "copy goods to program 'touch /tmp/kiln-was-here'",
    "copy goods to '/tmp/kiln-was-here'",
    'copy goods to stdout',
    "copy goods from program 'id'",
    'select * from pg_authid',
    'select passwd from pg_shadow',
    'select * from secrets',
    "select * from dblink('', 'select 1') as t(a int)",
    'select pg_reload_conf()',
    "select pg_stat_file('/etc/passwd')",
  ]),
  refusesSql(
    'Postgres through COPY of a load',
    'ctx.duckdb.load("shop", SQL, "t" + Math.random())',
    [
      "select 1) to program 'touch /tmp/kiln-was-here' --",
      "select 1) to '/tmp/kiln-was-here'; --",
      'select 1 /*',
      'select 1; select 2',
      'insert into goods values (7) returning 1',
      "select pg_read_file('/etc/passwd')",
      'table goods) to stdout; copy (table secrets',
    ],
  ),
  hostile(
    'an advisory lock that is held',
    'completed',
    `await ctx.datasource.shop.query('select pg_advisory_lock(4711), pg_advisory_lock_shared(4712)')
    await ctx.datasource.shop.query('select pg_try_advisory_lock(4713)')
    return 1`,
    1,
  ),
  hostile(
    'an advisory lock that is waited for',
    'completed datasource_error',
    `await ctx.datasource.shop.query('select pg_advisory_lock(4711)')
    return 1`,
  ),
  hostile(
    'the advisory locks of Kiln',
    'completed datasource_error timeout',
    `await ctx.datasource.shop.query('select count(pg_try_advisory_lock(i)) as n from generate_series(1, 5000) i')
    return 1`,
  ),
  hostile(
    'backends of others are ended',
    'completed datasource_error',
    `await ctx.datasource.shop.query('select pg_terminate_backend(pid) from pg_stat_activity where pid <> pg_backend_pid()').catch(() => 0)
    await ctx.datasource.shop.query('select pg_cancel_backend(pid) from pg_stat_activity where pid <> pg_backend_pid()').catch(() => 0)
    return 1`,
  ),
  hostile(
    'large objects, which old servers let be made',
    'completed datasource_error',
    `await ctx.datasource.shop.query('select lo_create(0), lo_creat(-1)')
    await ctx.datasource.shop.query("select lo_from_bytea(0, 'x')")
    return 1`,
  ),
  hostile(
    'its own backend is ended',
    'datasource_error',
    'await ctx.datasource.shop.query("select pg_terminate_backend(pg_backend_pid())")',
  ),
  hostile(
    'a Postgres query that sleeps',
    'datasource_error timeout',
    'await ctx.datasource.shop.query("select pg_sleep(600)")',
  ),
  hostile(
    'a statement timeout that is lifted',
    'datasource_error timeout',
    `await ctx.datasource.shop.query("select set_config('statement_timeout', '0', false)")
    await ctx.datasource.shop.query('select pg_sleep(600)')`,
  ),
  hostile(
    'a Postgres value of 1 GB',
    'datasource_error timeout',
    `await ctx.datasource.shop.query("select repeat('x', 1000000000)")`,
  ),
  hostile(
    'a Postgres result without end',
    'datasource_error timeout memory_limit',
    'await ctx.datasource.shop.query("select * from generate_series(1, 1000000000)")',
  ),
  hostile(
    'a Postgres temp-file bomb',
    'datasource_error timeout',
    'await ctx.datasource.shop.query("select count(*) from (select md5(i::text) m from generate_series(1, 1000000000) i order by m) q")',
  ),
  hostile(
    'a stream that is never read',
    'completed',
    `const stream = ctx.datasource.shop.stream('select generate_series(1, 10000000)', [], 1)
    await stream[Symbol.asyncIterator]().next()
    return 1`,
    1,
  ),
  hostile(
    'parameters that are SQL',
    'completed',
    `const evil = "1'; insert into goods values (9); --"
    return (await ctx.datasource.shop.query('select $1 as a', [evil]))[0].a === evil`,
    true,
  ),
  hostile(
    'parameters without end',
    'script_error datasource_error memory_limit timeout',
    'await ctx.datasource.shop.query("select 1", new Array(1e6).fill(1))',
  ),
  hostile(
    'notices of 1 MB without end',
    'datasource_error timeout completed',
    `await ctx.datasource.shop.query("select noisy(100000)")`,
  ),
  hostile(
    'a DuckDB datasource is only read',
    'completed',
    `const rows = await ctx.datasource.warehouse.query('select a from t')
    await ctx.datasource.warehouse.query('insert into t values (1)').catch(() => 0)
    return rows`,
    [{ a: 42 }],
  ),
  hostile(
    'a file datasource is only read',
    'completed',
    `for (const sql of ["copy (select 1) to 'sales'", 'create or replace view sales as select 1', "copy (select 1) to '../inputs/sales/0-sales.csv' (format csv)"]) await ctx.duckdb.exec(sql).catch(() => 0)
    return 1`,
    1,
  ),
]
