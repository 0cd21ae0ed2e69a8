import { copyFileSync, existsSync, readFileSync, readdirSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { DuckDBInstance } from '@duckdb/node-api'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type DuckdbProcess, startDuckdbProcess } from '../../src/core/duckdb/index.ts'
import {
  makeFolder,
  never,
  processOptions,
  queryRows,
  removeFolder,
  withDuckdb,
} from '../support/duckdb.ts'

let folder: string
let outside: string
let warehouse: string
let duckdb: DuckdbProcess

beforeAll(async () => {
  folder = makeFolder()
  outside = makeFolder()
  warehouse = path.join(outside, 'warehouse.duckdb')
  const instance = await DuckDBInstance.create(warehouse)
  const connection = await instance.connect()
  await connection.run('create table t as select 42 as a')
  connection.closeSync()
  instance.closeSync()
  copyFileSync(warehouse, path.join(outside, 'other.duckdb'))
  writeFileSync(path.join(outside, 'secret.csv'), 'canary\n')
  duckdb = await startDuckdbProcess(
    processOptions(folder, { attach: [{ name: 'warehouse', path: warehouse }] }),
  )
})

afterAll(async () => {
  await duckdb.stop()
  removeFolder(folder)
  removeFolder(outside)
})

/** Statements with `$out` for a folder elsewhere and `$in` for the job's own. */
const hostile = [
  "select * from read_csv('/etc/passwd')",
  "select * from read_text('/etc/passwd')",
  "select * from read_blob('/proc/self/environ')",
  "select * from read_text('$in/../../etc/passwd')",
  "select * from '$out/secret.csv'",
  "select * from read_csv('$out/secret.csv')",
  "select * from glob('/etc/*')",
  "select * from sniff_csv('/etc/passwd')",
  "select * from parquet_metadata('$out/secret.csv')",
  "select * from read_duckdb('$out/other.duckdb')",
  "select getenv('PATH')",
  "select * from query('select * from read_text(''/etc/passwd'')')",
  "copy (select 1) to '$out/out.csv'",
  "copy (select 1) to '$in/out.csv'",
  "copy (select 1) to '$out/warehouse.duckdb' (format csv, use_tmp_file false)",
  "copy (select 1) to '$out/warehouse.duckdb.wal' (format csv)",
  "/* x */ copy (select 1) to '$in/out.csv'",
  "explain analyze copy (select 1) to '$out/warehouse.duckdb.wal' (format csv)",
  "explain (analyze) copy (select 1) to '$in/out.csv'",
  "/**/ explain analyze copy (select 1) to '$in/out.csv'",
  "explain /* */ analyze copy (select 1) to '$in/out.csv'",
  "explain analyze /* /* */ select 1 -- */ copy (select 1) to '$in/out.csv'",
  "export database '$in/dump'",
  "import database '$in/dump'",
  'copy from database warehouse to memory',
  "attach '$out/warehouse.duckdb' as again",
  "attach ':memory:' as other",
  'detach warehouse',
  'use warehouse',
  'begin',
  'commit',
  'rollback',
  'checkpoint',
  'checkpoint warehouse',
  'install httpfs',
  'load httpfs',
  "load '$out/evil.duckdb_extension'",
  'update extensions',
  'set threads = 8',
  "set memory_limit = '100GB'",
  'set enable_external_access = true',
  'set variable x = 1',
  "set temp_directory = '$out'",
  'reset memory_limit',
  'pragma threads = 8',
  "pragma profiling_output = '$out/profile'",
  'pragma enable_profiling',
  "call enable_logging(storage = 'file', storage_path = '$in/log')",
  "select * from enable_logging(storage = 'file', storage_path = '$in/log')",
  'select * from "ENABLE_LOGGING"()',
  'call pragma_version()',
  "prepare p as copy (select 1) to '$in/out.csv'",
  'execute p',
  'deallocate p',
  "create persistent secret s (type s3, key_id 'a')",
  "create table x as select * from read_text('/etc/passwd')",
  "create view v as select * from read_csv('/etc/passwd')",
  'select 1; select 2',
  "select 1; copy (select 1) to '$in/out.csv'",
  'insert into warehouse.t values (1)',
  'drop table warehouse.t',
  '',
  '   ',
  '-- nothing',
  ';',
]

const place = (sql: string): string => sql.replaceAll('$out', outside).replaceAll('$in', folder)

describe('hostile SQL in a DuckDB process', () => {
  it.each(hostile)('is refused: %s', async (sql) => {
    const before = [readdirSync(folder), readdirSync(outside)]
    const contents = readFileSync(warehouse)
    const calls = [
      () => duckdb.query(place(sql), [], {}, never),
      () => duckdb.exec(place(sql), [], never),
      () => duckdb.query(place(sql), [], { catalog: 'warehouse' }, never),
      () => duckdb.stream(place(sql), [], { batchSize: 1 }, never),
      () => duckdb.loadQuery({ sql: place(sql), params: [], table: 'loaded' }, never),
    ]
    for (const call of calls) {
      const error = await call().then(
        () => undefined,
        (reason: unknown) => reason as Error & { code: string },
      )
      expect(error, 'was accepted').toBeDefined()
      expect(error?.code).toBe('DATASOURCE_ERROR')
      // The statement itself may be quoted; paths it did not name must not appear.
      const unnamed = (error?.message ?? '').replaceAll(place(sql), '')
      expect(unnamed).not.toContain(folder)
      expect(unnamed).not.toContain(outside)
      expect(error?.message).not.toContain('root:')
    }
    expect([readdirSync(folder), readdirSync(outside)]).toEqual(before)
    expect(readFileSync(warehouse).equals(contents)).toBe(true)
    expect(existsSync(`${warehouse}.wal`)).toBe(false)
    expect(await queryRows(duckdb, 'select a from warehouse.t')).toEqual([{ a: 42 }])
  })

  it('is not accepted in the names of tables and files', async () => {
    const names = [
      't; drop table t',
      't" (a int); --',
      '(select 1)',
      "read_text('/etc/passwd')",
      '',
    ]
    for (const name of names) {
      await expect(duckdb.describe(name, never), name).rejects.toThrow()
      await expect(duckdb.exportTable(name, 'stolen.csv', never), name).rejects.toThrow()
    }
    await duckdb.loadQuery({ sql: 'select 1 as a', params: [], table: '"t"" (a int); --"' }, never)
    expect((await duckdb.tables(never)).map(({ name }) => name)).toContain('t" (a int); --')
  })

  it('hides a name from the check only to the harm of its own instance', async () => {
    await withDuckdb(async (own, ownFolder) => {
      const hidden = `select * from query('select * from enable_' || 'logging(storage = ''file'',
        storage_path = ''${ownFolder}/log'')')`
      await own.query(hidden, [], {}, never).catch(() => undefined)
      await own.query('select 1', [], {}, never).catch(() => undefined)
    })
    expect(await queryRows(duckdb, 'select 1 as a')).toEqual([{ a: 1 }])
  })

  it('cannot print into the output of Kiln', async () => {
    await withDuckdb(async (own) => {
      await own.exec('pragma enable_profiling', [], never).catch(() => undefined)
      expect(await queryRows(own, 'explain analyze select 1')).toHaveLength(1)
    })
  })
})
