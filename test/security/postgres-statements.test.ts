import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { PostgresDatasource } from '../../src/core/datasources/postgres/index.ts'
import { type TestDatabase, createTestDatabase } from '../support/database.ts'
import { never } from '../support/duckdb.ts'
import { datasourceRows, openTestDatasource } from '../support/postgres-datasource.ts'
import { query } from '../support/test-server.ts'

let database: TestDatabase
let datasource: PostgresDatasource

beforeAll(async () => {
  database = await createTestDatabase({ migrated: false })
  await query(
    database.connectionString,
    `create table t as select 42 as a;
     create sequence s;
     create function write_t() returns int language sql as 'insert into t values (1) returning a';
     create procedure commit_and_write() language plpgsql as
       'begin commit; insert into t values (2); end'`,
  )
  datasource = openTestDatasource(database.connectionString)
})

afterAll(async () => {
  await datasource.close()
  await database.drop()
})

/** Tried as the owner of everything: what holds for it holds for the role one should give. */
const hostile = [
  'insert into t values (1)',
  'with x as (insert into t values (1) returning a) select * from x',
  'with x as (delete from t returning a) select * from x',
  'update t set a = 1',
  'truncate t',
  'drop table t',
  'create table u (a int)',
  'create temp table u (a int)',
  'select 1 as a into u',
  'select * from t for update',
  "select nextval('s')",
  "select setval('s', 5)",
  'select write_t()',
  'explain analyze insert into t values (1)',
  'explain analyze create table u as select 1',
  'explain (analyze, verbose) create table u as select 1',
  'explain /* select */ (analyze) insert into t select 1',
  'call commit_and_write()',
  "do 'begin commit; insert into t values (3); end'",
  'begin',
  'begin; insert into t values (1); commit',
  'commit',
  'rollback',
  'end',
  'abort',
  'set transaction read write',
  'set default_transaction_read_only = off',
  'set session characteristics as transaction read write',
  'reset all',
  'discard all',
  'prepare p as select 1',
  'execute p',
  'deallocate all',
  'declare c cursor for select 1',
  'fetch all from c',
  'listen x',
  "notify x, 'y'",
  'lock table t',
  'vacuum t',
  'copy t to stdout',
  'copy (select 1) to stdout',
  "copy t to '/tmp/kiln-was-here'",
  "copy t to program 'touch /tmp/kiln-was-here'",
  'copy t from stdin',
  "copy t from program 'id'",
  "load 'auto_explain'",
  'select 1; select 2',
  'select 1; commit; insert into t values (1)',
  'select 1\0; insert into t values (1)',
  "select 'not closed",
  'select 1 /* not closed',
  '',
  ' -- nothing',
  ';',
  '(((',
]

describe('hostile SQL to a Postgres datasource', () => {
  it.each(hostile)('is refused: %s', async (sql) => {
    await expect(datasource.query(sql, [], {}, never)).rejects.toMatchObject({
      code: 'DATASOURCE_ERROR',
    })
    await expect(
      datasource.stream(sql, [], { batchSize: 1 }, never).then((stream) => stream.next(never)),
    ).rejects.toMatchObject({ code: 'DATASOURCE_ERROR' })
    expect(await datasourceRows(datasource, 'select a from t')).toEqual([{ a: 42 }])
  })

  it('cannot make its transaction writable from within a query', async () => {
    for (const setting of ['transaction_read_only', 'default_transaction_read_only']) {
      await datasource
        .query(`select set_config('${setting}', 'off', false)`, [], {}, never)
        .catch(() => undefined)
    }
    await expect(datasource.query('select write_t()', [], {}, never)).rejects.toThrow('read-only')
    await expect(
      datasource.query(
        "select set_config('transaction_read_only', 'off', false), write_t()",
        [],
        {},
        never,
      ),
    ).rejects.toMatchObject({ code: 'DATASOURCE_ERROR' })
    expect(await datasourceRows(datasource, 'select a from t')).toEqual([{ a: 42 }])
  })

  it('cannot put another statement behind a parameter', async () => {
    const evil = "1'; insert into t values (1); --"
    expect(await datasourceRows(datasource, 'select $1 as a', [evil])).toEqual([{ a: evil }])
    await expect(datasource.query('select $1::int', [evil], {}, never)).rejects.toThrow(
      'invalid input syntax',
    )
    await expect(datasource.query('select $1', ['a\0b'], {}, never)).rejects.toThrow('zero byte')
    await expect(datasource.query('select $1', [], {}, never)).rejects.toThrow('1 parameters')
  })

  it('does not bring the process down by what a server may answer', async () => {
    const large = "select repeat('x', 100000000) from generate_series(1, 3)"
    await expect(datasource.query(large, [], {}, never)).rejects.toThrow('larger than the limit')
    const many = "select repeat('x', 1000000) from generate_series(1, 200)"
    await expect(datasource.query(many, [], {}, never)).rejects.toThrow('larger than 48 MB')
    const wide = `select ${Array.from({ length: 1600 }, (_, i) => `${i} as c${i}`).join(', ')}`
    expect(await datasourceRows(datasource, wide)).toHaveLength(1)
  })
})

describe('what a statement spills to disk', () => {
  const limitOf = async (source: PostgresDatasource) =>
    (await datasourceRows(source, "select current_setting('temp_file_limit') as limit"))[0]?.[
      'limit'
    ]

  it('is bounded for a superuser, in each call anew', async () => {
    expect(await limitOf(datasource)).toBe('2GB')
    await datasourceRows(datasource, "select set_config('temp_file_limit', '-1', false)")
    expect(await limitOf(datasource)).toBe('2GB')
  })

  it('is bounded for another role as its operator says', async () => {
    const role = `spiller_${database.name}`
    await query(
      database.connectionString,
      `create role ${role} login;
       alter role ${role} set temp_file_limit = '1MB'`,
    )
    const url = database.connectionString.replace(/\/\/[^/@]*@/, `//${role}@`)
    const spilling = openTestDatasource(url)
    try {
      expect(await limitOf(spilling)).toBe('1MB')
      await expect(
        datasourceRows(
          spilling,
          'select count(*) from (select from generate_series(1, 300000) g order by md5(g::text)) x',
        ),
      ).rejects.toMatchObject({ message: expect.stringContaining('temp_file_limit') as string })
    } finally {
      await spilling.close()
      await query(database.connectionString, `drop role ${role}`)
    }
  })
})
