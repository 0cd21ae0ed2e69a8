import { existsSync, readdirSync, rmSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { loadIntoDuckdb } from '../../../src/core/datasources/load-into-duckdb.ts'
import type { PostgresDatasource } from '../../../src/core/datasources/postgres/index.ts'
import {
  type CsvPart,
  type DuckdbProcess,
  startDuckdbProcess,
} from '../../../src/core/duckdb/index.ts'
import { type TestDatabase, createTestDatabase } from '../../support/database.ts'
import { makeFolder, never, processOptions, queryRows, removeFolder } from '../../support/duckdb.ts'
import { datasourceRows, openTestDatasource } from '../../support/postgres-datasource.ts'
import { query } from '../../support/test-server.ts'

let database: TestDatabase
let postgres: PostgresDatasource
let folder: string
let duckdb: DuckdbProcess
let tables = 0

beforeAll(async () => {
  database = await createTestDatabase({ migrated: false })
  await query(
    database.connectionString,
    `create type mood as enum ('sad', 'happy');
     create domain price as numeric(8, 2)`,
  )
  postgres = openTestDatasource(database.connectionString)
  folder = makeFolder()
  duckdb = await startDuckdbProcess(processOptions(folder, { threads: 2 }))
})

afterAll(async () => {
  await duckdb.stop()
  await postgres.close()
  await database.drop()
  removeFolder(folder)
})

interface Loaded {
  readonly rowCount: number
  readonly types: readonly string[]
  readonly rows: readonly Record<string, unknown>[]
}

async function load(sql: string, params: readonly unknown[] = [], signal = never): Promise<Loaded> {
  tables += 1
  const table = `loaded_${tables}`
  const { rowCount } = await loadIntoDuckdb(
    postgres,
    { duckdb, folder, sql, params, table },
    signal,
  )
  const columns = await duckdb.describe(table, never)
  const names = columns.map(({ name }) => `"${name}"::text as "${name}"`)
  expect(await queryRows(duckdb, `select count(*) as n from ${table}`)).toEqual([{ n: rowCount }])
  return {
    rowCount,
    types: columns.map(({ type }) => type),
    rows: await queryRows(duckdb, `select ${names.join(', ')} from ${table}`),
  }
}

/** SQL expression, DuckDB's type, DuckDB's text of the value. */
const exact: readonly (readonly [string, string, string | null])[] = [
  ['null::int4', 'INTEGER', null],
  ['true', 'BOOLEAN', 'true'],
  ['(-32768)::int2', 'SMALLINT', '-32768'],
  ['9223372036854775807::int8', 'BIGINT', '9223372036854775807'],
  ["'-9223372036854775808'::int8", 'BIGINT', '-9223372036854775808'],
  ['4294967295::oid', 'UINTEGER', '4294967295'],
  ['0.1::float4', 'FLOAT', '0.1'],
  ['0.1::float8', 'DOUBLE', '0.1'],
  ['5e-324::float8', 'DOUBLE', '5e-324'],
  ['1.7976931348623157e308::float8', 'DOUBLE', '1.7976931348623157e+308'],
  ["'NaN'::float8", 'DOUBLE', 'nan'],
  ["'-Infinity'::float4", 'FLOAT', '-inf'],
  ['9999999999.99::numeric(12,2)', 'DECIMAL(12,2)', '9999999999.99'],
  ['1.10::price', 'DECIMAL(8,2)', '1.10'],
  ['0.00123::numeric(3,5)', 'DECIMAL(5,5)', '.00123'],
  ['12345::numeric(5,-2)', 'DECIMAL(7,0)', '12300'],
  [
    '12345678901234567890123456789012345.678::numeric',
    'DECIMAL(38,3)',
    '12345678901234567890123456789012345.678',
  ],
  ["'-0.5'::numeric(40,3)", 'DECIMAL(38,3)', '-0.500'],
  ['null::numeric', 'DECIMAL(38,0)', null],
  ["''", 'VARCHAR', ''],
  [String.raw`'\N'`, 'VARCHAR', String.raw`\N`],
  [String.raw`'\.'`, 'VARCHAR', String.raw`\.`],
  ["'NULL'", 'VARCHAR', 'NULL'],
  [String.raw`E'q"x\n\r\ny,z\t'`, 'VARCHAR', 'q"x\n\r\ny,z\t'],
  ["'  spaces around  '", 'VARCHAR', '  spaces around  '],
  ["'é 😀'", 'VARCHAR', 'é 😀'],
  ["'ab'::char(4)", 'VARCHAR', 'ab  '],
  ["'happy'::mood", 'VARCHAR', 'happy'],
  [String.raw`'\x00ff27'::bytea`, 'BLOB', String.raw`\x00\xFF\x27`],
  [String.raw`'\x'::bytea`, 'BLOB', ''],
  ["'4ac7a9e9-607c-4c8a-84f3-843f0191e3fd'::uuid", 'UUID', '4ac7a9e9-607c-4c8a-84f3-843f0191e3fd'],
  ["date '2024-02-29'", 'DATE', '2024-02-29'],
  ["date '12000-01-01'", 'DATE', '12000-01-01'],
  ["'0044-03-15 BC'::date", 'DATE', '0044-03-15 (BC)'],
  ["'-infinity'::date", 'DATE', '-infinity'],
  ["timestamp '2024-01-02 03:04:05.000001'", 'TIMESTAMP', '2024-01-02 03:04:05.000001'],
  ["timestamp '0044-03-15 10:00:00.5 BC'", 'TIMESTAMP', '0044-03-15 (BC) 10:00:00.5'],
  ["'infinity'::timestamp", 'TIMESTAMP', 'infinity'],
  [
    "timestamptz '2024-01-02 03:04:05.000001+02'",
    'TIMESTAMP WITH TIME ZONE',
    '2024-01-02 01:04:05.000001+00',
  ],
  [
    "timestamptz '0044-03-15 10:00:00+00 BC'",
    'TIMESTAMP WITH TIME ZONE',
    '0044-03-15 (BC) 10:00:00+00',
  ],
  ["timestamptz '12000-01-01 00:00Z'", 'TIMESTAMP WITH TIME ZONE', '12000-01-01 00:00:00+00'],
  ["time '24:00:00'", 'TIME', '24:00:00'],
  ["time '23:59:59.999999'", 'TIME', '23:59:59.999999'],
  ["'10:00:00.5+05:30'::timetz", 'TIME WITH TIME ZONE', '10:00:00.5+05:30'],
  ["'24:00:00-15:59'::timetz", 'TIME WITH TIME ZONE', '24:00:00-15:59'],
  ["interval '1 year 2 mons -3 days 04:05:06.5'", 'INTERVAL', '1 year 2 months -3 days 04:05:06.5'],
  ["interval '-1 mon -00:00:00.000001'", 'INTERVAL', '-1 month -00:00:00.000001'],
  ["interval '0'", 'INTERVAL', '00:00:00'],
  ["interval '178000000 years'", 'INTERVAL', '178000000 years'],
  [
    `'{"b": [1, null], "a": 9007199254740993}'::jsonb`,
    'JSON',
    '{"a": 9007199254740993, "b": [1, null]}',
  ],
  [`'{"b":1,"b":2 }'::json`, 'JSON', '{"b":1,"b":2 }'],
  ["'null'::jsonb", 'JSON', 'null'],
  ['array[1, null, 3]', 'INTEGER[]', '[1, NULL, 3]'],
  ["'{}'::int8[]", 'BIGINT[]', '[]'],
  ['array[9223372036854775807]', 'BIGINT[]', '[9223372036854775807]'],
  ['array[1.50]::numeric(5,2)[]', 'DECIMAL(5,2)[]', '[1.50]'],
  ["array['NaN'::float8, 0.1]", 'DOUBLE[]', '[nan, 0.1]'],
  ['array[true, false]', 'BOOLEAN[]', '[true, false]'],
  [String.raw`array['\x00ff'::bytea, '\x']`, 'BLOB[]', String.raw`[\x00\xFF, '']`],
  ["array['0044-03-15 BC'::date, 'infinity']", 'DATE[]', "['0044-03-15 (BC)', infinity]"],
  [
    "array[timestamptz '2024-01-02 03:04:05.1Z']",
    'TIMESTAMP WITH TIME ZONE[]',
    "['2024-01-02 03:04:05.1+00']",
  ],
  ["array['happy'::mood]", 'VARCHAR[]', '[happy]'],
  ['int4range(1, 5)', 'VARCHAR', '[1,5)'],
  ["'10.0.0.1/8'::inet", 'VARCHAR', '10.0.0.1/8'],
  ["'12.34'::money", 'VARCHAR', '$12.34'],
  ["row(1, 'a b')", 'VARCHAR', '(1,"a b")'],
  ["point '(1,2)'", 'VARCHAR', '(1,2)'],
]

describe('duckdb.load', () => {
  it.each(exact)('carries %s over exactly', async (sql, type, text) => {
    const alone = await load(`select ${sql} as x`)
    expect(alone).toEqual({ rowCount: 1, types: [type], rows: [{ x: text }] })
    // Beside other columns, in another order, after rows of null.
    const beside = await load(
      `select 'BC, " BC' as a, v.x from generate_series(1, 3) i
       left join (select ${sql} as x) v on i = 3 order by i`,
    )
    expect(beside.types).toEqual(['VARCHAR', type])
    expect(beside.rows.at(-1)).toEqual({ a: 'BC, " BC', x: text })
    expect(beside.rows[0]).toEqual({ a: 'BC, " BC', x: null })
  })

  it('carries lists of odd texts over exactly', async () => {
    const texts = ['a,b', '"q"', null, '\\', '', 'NULL', ' x ', '[1]', '{', "'", 'line\nbreak']
    await loadIntoDuckdb(
      postgres,
      { duckdb, folder, sql: 'select $1::text[] as t', params: [texts], table: 'odd_texts' },
      never,
    )
    expect(await queryRows(duckdb, 'select t from odd_texts')).toEqual([{ t: texts }])
  })

  it('tells null from an empty text, also where a row is nothing else', async () => {
    const { rows } = await load(
      `select * from (values (1, ''), (2, null), (3, 'x')) v(i, t) order by i`,
    )
    expect(rows.map(({ t }) => t)).toEqual(['', null, 'x'])
    const alone = await load(
      "select t from (values (1, ''), (2, null), (3, '')) v(i, t) order by i",
    )
    expect(alone.rows).toEqual([{ t: '' }, { t: null }, { t: '' }])
  })

  const refused: readonly (readonly [string, string])[] = [
    ["'NaN'::numeric as x", 'column "x" has NaN or infinity'],
    ["'Infinity'::numeric as x", 'column "x" has NaN or infinity'],
    [
      `'NaN'::numeric(5,2) as "odd, ""col"`,
      String.raw`column "odd, \"col" has a value that cannot be loaded exactly`,
    ],
    ['1e40::numeric as x', 'column "x" needs 41 digits, DECIMAL has 38'],
    ['1e37 + 0.0001 as x', 'column "x" needs 42 digits, DECIMAL has 38'],
    ["array[interval '1 day'] as x", 'column "x" is interval[]'],
    ['array[1.5] as x', 'column "x" is numeric[], which cannot be loaded exactly'],
    [
      "array[['a', 'b']] as x",
      'column "x" has a value that cannot be loaded exactly: Invalid Input Error: an array of several dimensions',
    ],
    ['1 as i, array[array[1]] as x', 'column "x" has a value'],
    ["timestamp '294276-12-31' as x", 'column "x" has a value that cannot be loaded exactly'],
    ['1 as a, 2 as a', 'two columns are named "a"'],
    ['1 as a, 2 as "A"', 'two columns are named "A"'],
  ]
  it.each(refused)('refuses %s, naming the column', async (sql, message) => {
    const before = await duckdb.tables(never)
    await expect(load(`select ${sql}`)).rejects.toMatchObject({
      code: 'DATASOURCE_ERROR',
      message: expect.stringContaining(message) as string,
    })
    expect(await duckdb.tables(never)).toEqual(before)
  })

  it('writes parameters into the statement as the values they are', async () => {
    const { rows } = await load(
      String.raw`select $1::int4 as a, $2 as b, $3::date as c, $4::int4[] as d, $5::jsonb as e,
        $6 || '$1' as f, $$ $1 $$ as g, E'\'$1' 'x' as h, $t$ $2 $t$ as "$1" /* $1 /* $2 */ */,
        $7::text as i -- $2`.replace("'x' as h", 'as h'),
      [1, "it's \\ $1 -- ", '2024-01-01', [1, 2], { a: "x'\\" }, 'y', null],
    )
    expect(rows).toEqual([
      {
        a: '1',
        b: "it's \\ $1 -- ",
        c: '2024-01-01',
        d: '[1, 2]',
        e: String.raw`{"a": "x'\\"}`,
        f: 'y$1',
        g: ' $1 ',
        h: "'$1",
        $1: ' $2 ',
        i: null,
      },
    ])
  })

  it.each([
    ["select 1) to program 'touch /tmp/kiln-was-here' --", 'syntax error'],
    ["select 1) to '/tmp/kiln-was-here' --", 'syntax error'],
    ["select 1; copy (select 1) to '/tmp/kiln-was-here'", 'multiple commands'],
    ['select 1 /*', 'not closed'],
    ["copy (select 1) to '/tmp/kiln-was-here'", 'only queries'],
    ['show all', 'syntax error'],
    ['select from generate_series(1, 2)', 'returns no columns'],
  ])('refuses %s', async (sql, message) => {
    await expect(load(sql)).rejects.toThrow(message)
    expect(existsSync('/tmp/kiln-was-here')).toBe(false)
  })

  it('takes a statement that ends in a semicolon or a comment', async () => {
    for (const sql of ['select 1 as a;  ', 'select 1 as a -- ;', 'select 1 as a /* ; */ ; -- x']) {
      expect((await load(sql)).rows).toEqual([{ a: '1' }])
    }
  })

  it('loads nothing when the query fails half way, and leaves no file', async () => {
    const before = await duckdb.tables(never)
    await expect(
      load('select 1 / (i - 150000) as x from generate_series(1, 200000) i'),
    ).rejects.toThrow('division by zero')
    expect(await duckdb.tables(never)).toEqual(before)
    expect(readdirSync(folder).filter((name) => name.endsWith('.csv'))).toEqual([])
  })

  it('does not replace a table', async () => {
    const call = { duckdb, folder, sql: 'select 1 as a', params: [], table: 'once' }
    await loadIntoDuckdb(postgres, call, never)
    await expect(loadIntoDuckdb(postgres, call, never)).rejects.toThrow('already exists')
  })

  it('stops when aborted and leaves no file', async () => {
    const stop = new AbortController()
    const loading = load(
      'select i, pg_sleep(0.001) from generate_series(1, 100000) i',
      [],
      stop.signal,
    )
    setTimeout(() => stop.abort(new Error('enough')), 100)
    await expect(loading).rejects.toThrow('enough')
    expect(readdirSync(folder).filter((name) => name.endsWith('.csv'))).toEqual([])
  })

  it('loads nothing when another number of rows arrives than was copied', async () => {
    const load = await duckdb.beginLoad('short', never)
    const parts: CsvPart[] = []
    const target = { folder, name: 'short', onPart: (part: CsvPart) => void parts.push(part) }
    await postgres.copyToCsv('select i from generate_series(1, 10) i', [], target, never)
    for (const part of parts) await load.add(part, never)
    await expect(load.finish(11, never)).rejects.toThrow(
      '11 rows were copied, 10 arrived: nothing loaded',
    )
    await load.abandon()
    await load.abandon()
    expect((await duckdb.tables(never)).map(({ name }) => name)).not.toContain('short')
    for (const { path: file } of parts) rmSync(file)
  })

  it('makes an empty table of no rows', async () => {
    const sql = "select 1 as a, 'x' as b, 1.5 as c where false"
    expect(await load(sql)).toEqual({
      rowCount: 0,
      types: ['INTEGER', 'VARCHAR', 'DECIMAL(38,0)'],
      rows: [],
    })
  })

  it('loads what takes several files, decimals and dates before Christ among them', async () => {
    const sql = `
      select i, repeat('x', 1000) as filler, i + 0.5 as open,
        case when i = 70000 then '0044-03-15 BC'::date else date '2024-01-01' + i end as day
      from generate_series(1, 80000) i`
    for (const columns of ['i, filler, open, day', 'i, filler, day']) {
      const table = columns.includes('open') ? 'several_open' : 'several'
      const call = { duckdb, folder, sql: `select ${columns} from (${sql}) q`, params: [], table }
      expect(await loadIntoDuckdb(postgres, call, never)).toEqual({ rowCount: 80_000 })
      const checks = `select count(*) as n, sum(i) as s, min(day)::text as d from ${table}`
      expect(await queryRows(duckdb, checks)).toEqual([
        { n: 80_000, s: 3_200_040_000, d: '0044-03-15 (BC)' },
      ])
      const types = await duckdb.describe(table, never)
      expect(types.map(({ type }) => type)).toContain('DATE')
    }
    expect(await queryRows(duckdb, 'select sum(open)::text as s from several_open')).toEqual([
      { s: '3200080000.0' },
    ])
    const order = 'select i from several limit 3 offset 79997'
    expect(await queryRows(duckdb, order)).toEqual([{ i: 79998 }, { i: 79999 }, { i: 80000 }])
    expect(readdirSync(folder).filter((name) => name.endsWith('.csv'))).toEqual([])
  })

  it('stops copying when a file cannot be read', async () => {
    const sql = `
      select repeat('x', 1000) as filler, case when i = 10 then 'NaN' else 1::numeric end::numeric(5, 2) as x,
        case when i > 100000 then pg_sleep(60)::text end as never
      from generate_series(1, 200000) i`
    const call = { duckdb, folder, sql, params: [], table: 'stopped' }
    await expect(loadIntoDuckdb(postgres, call, never)).rejects.toThrow(
      'column "x" has a value that cannot be loaded exactly',
    )
    expect(await queryRows(duckdb, 'select 1 as a')).toEqual([{ a: 1 }])
  })

  it('loads many rows of mixed columns, every value equal', async () => {
    const sql = `
      select i::int8 as id, md5(i::text)::uuid as u,
        timestamptz '2024-01-01 00:00Z' + i * interval '1.234567 s' as t,
        (i * 1.17)::numeric(12, 2) as n, case when i % 7 > 0 then sqrt(i) end as f,
        case i % 5 when 0 then null when 1 then '' when 2 then E'two\\nlines, "' || i else 'row ' || i end as s,
        i % 3 = 0 as b, jsonb_build_object('row', i) as j, repeat('x', i % 50) as r
      from generate_series(1, 50000) i order by i`
    const call = { duckdb, folder, sql, params: [], table: 'mixed' }
    expect(await loadIntoDuckdb(postgres, call, never)).toEqual({ rowCount: 50_000 })
    const options = { exact: true }
    const ours = await queryRows(duckdb, 'from mixed order by id', [], options)
    expect(ours).toEqual(await datasourceRows(postgres, sql, [], options))
  })

  it('takes rows of several megabytes', async () => {
    const sql = "select i, repeat('line ' || chr(10), 1000000) as t from generate_series(1, 2) i"
    const call = { duckdb, folder, sql, params: [], table: 'long_rows' }
    await loadIntoDuckdb(postgres, call, never)
    expect(await queryRows(duckdb, 'select sum(length(t)) as n from long_rows')).toEqual([
      { n: 12_000_000 },
    ])
  })
})
