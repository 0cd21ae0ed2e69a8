import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { PostgresDatasource } from '../../../src/core/datasources/postgres/index.ts'
import { type TestDatabase, createTestDatabase } from '../../support/database.ts'
import { never } from '../../support/duckdb.ts'
import { datasourceRows, openTestDatasource } from '../../support/postgres-datasource.ts'
import { query } from '../../support/test-server.ts'

let database: TestDatabase
let datasource: PostgresDatasource

beforeAll(async () => {
  database = await createTestDatabase({ migrated: false })
  await query(
    database.connectionString,
    `create type mood as enum ('sad', 'happy');
     create domain big as int8;
     create domain bigger as big;
     create type pair as (a int8, b text)`,
  )
  datasource = openTestDatasource(database.connectionString)
})

afterAll(async () => {
  await datasource.close()
  await database.drop()
})

/** SQL expression, value in the script. */
const values: readonly (readonly [string, unknown])[] = [
  ['null::int4', null],
  ['true', true],
  ['false', false],
  ['(-32768)::int2', -32768],
  ['9007199254740991::int8', 9007199254740991],
  ['(-9007199254740991)::int8', -9007199254740991],
  ['4294967295::oid', 4294967295],
  ['0.1::float4', 0.1],
  ['0.1::float8', 0.1],
  ['1e300::float8', 1e300],
  ['5e-324::float8', 5e-324],
  ["'-0'::float8", -0],
  ["'NaN'::float4", 'NaN'],
  ['9007199254740992::int8', 2 ** 53],
  ['-9007199254740992::int8', -(2 ** 53)],
  ["'Infinity'::float8", 'Infinity'],
  ["'-Infinity'::float8", '-Infinity'],
  ['1.50::numeric', 1.5],
  ['-0.05::numeric(9,2)', -0.05],
  ['123456789012345678.123456789::numeric', 123456789012345680],
  ["'NaN'::numeric", 'NaN'],
  ["'-Infinity'::numeric", '-Infinity'],
  [String.raw`E'a "quoted" \\ text\n\t\x01 é 😀'`, 'a "quoted" \\ text\n\t\u0001 é 😀'],
  ["''", ''],
  ["'ab'::char(4)", 'ab  '],
  [`'x'::"char"`, 'x'],
  ["'x'::name", 'x'],
  [String.raw`'\xDEAD'::bytea`, '3q0='],
  ["'101'::bit(3)", '101'],
  ["'4ac7a9e9-607c-4c8a-84f3-843f0191e3fd'::uuid", '4ac7a9e9-607c-4c8a-84f3-843f0191e3fd'],
  ["'happy'::mood", 'happy'],
  ['7::bigger', 7],
  ["date '2024-02-29'", '2024-02-29'],
  ["'0001-01-01 BC'::date", '0000-01-01'],
  ["'0044-03-15 BC'::date", '-000043-03-15'],
  ["date '12000-01-01'", '+012000-01-01'],
  ["'infinity'::date", 'infinity'],
  ["timestamp '2024-01-02 03:04:05'", '2024-01-02T03:04:05Z'],
  ["timestamp '2024-01-02 03:04:05.12'", '2024-01-02T03:04:05.120000Z'],
  ["timestamptz '2024-01-02 03:04:05.000001+02'", '2024-01-02T01:04:05.000001Z'],
  ["timestamp '0044-03-15 10:00:00 BC'", '-000043-03-15T10:00:00Z'],
  ["timestamp '12000-01-01 00:00:00.5'", '+012000-01-01T00:00:00.500000Z'],
  ["'-infinity'::timestamptz", '-infinity'],
  ["time '24:00:00'", '24:00:00'],
  ["time '01:02:03.5'", '01:02:03.500000'],
  ["'10:00:00.5+05:30'::timetz", '10:00:00.500000+05:30'],
  ["interval '1 year 2 mons 3 days 04:05:06.5'", 'P1Y2M3DT4H5M6.5S'],
  ["interval '-1 mon +3 days -00:00:00.000001'", 'P-1M3DT-0.000001S'],
  ["interval '0'", 'PT0S'],
  [`'{"a": [1, null]}'::json`, { a: [1, null] }],
  [`'{"a": "\\u00e9"}'::jsonb`, { a: 'é' }],
  ['array[1, null, 3]', [1, null, 3]],
  [
    String.raw`array['a,b', '"q"', null, '\', '', 'NULL', ' x ', '{}']`,
    ['a,b', '"q"', null, '\\', '', 'NULL', ' x ', '{}'],
  ],
  [
    'array[[1, 2], [3, 4]]',
    [
      [1, 2],
      [3, 4],
    ],
  ],
  ["'[0:1]={1,2}'::int4[]", [1, 2]],
  ["'{}'::int8[]", []],
  ["array[timestamptz '2024-01-01 00:00Z']", ['2024-01-01T00:00:00Z']],
  [`array['{"a":1}'::jsonb]`, [{ a: 1 }]],
  ["array['happy'::mood, null]", ['happy', null]],
  ['array[7::bigger]', [7]],
  ["row(1, 'a b')", '(1,"a b")'],
  ["row(1, 'x')::pair", '(1,x)'],
  ['int4range(1, 5)', '[1,5)'],
  ["'10.0.0.1/8'::inet", '10.0.0.1/8'],
  ["'12.34'::money", '$12.34'],
  ["point '(1,2)'", '(1,2)'],
  ["array['(1,2),(3,4)'::box]", '{(3,4),(1,2)}'],
]

describe('rows of Postgres', () => {
  it.each(values)('maps %s', async (sql, expected) => {
    const [row] = await datasourceRows(datasource, `select ${sql} as x`)
    expect(row).toEqual({ x: expected })
  })

  it('gives numerics as strings with all their digits when asked for exact', async () => {
    const [row] = await datasourceRows(
      datasource,
      `select 123456789012345678.1234567890 as a, '1e400'::numeric - 1 > 0 as b, 7::numeric as c,
         array[1.10] as d, 1::float8 as e, 'NaN'::numeric as f`,
      [],
      { exact: true },
    )
    expect(row).toEqual({
      a: '123456789012345678.1234567890',
      b: true,
      c: '7',
      d: ['1.10'],
      e: 1,
      f: 'NaN',
    })
  })

  const refused: readonly (readonly [string, string])[] = [
    [
      '9007199254740993::int8 as x',
      'column "x" has 9007199254740993, beyond 2^53: cast it to text',
    ],
    ['-9007199254740993::int8 as x', 'column "x" has -9007199254740993, beyond 2^53'],
    ['array[9007199254740993] as x', 'column "x" has 9007199254740993, beyond 2^53'],
    ['9007199254740993::bigger as x', 'column "x" has 9007199254740993, beyond 2^53'],
    ["'1e400'::numeric as x", 'column "x" has a number beyond 1.8e308'],
    ['1 as a, 2 as a', 'two columns are named "a": give one an alias'],
    [
      "set_config('timezone', 'Asia/Tokyo', true), now() as x",
      'column "x" has a timestamp in an unexpected form',
    ],
    [
      "set_config('datestyle', 'SQL, DMY', true), current_date as x",
      'column "x" has a date in an unexpected form',
    ],
    [
      "set_config('bytea_output', 'escape', true), 'a'::bytea as x",
      'column "x" has bytes that are not in hex',
    ],
  ]
  it.each(refused)('refuses %s', async (sql, message) => {
    await expect(datasource.query(`select ${sql}`, [], {}, never)).rejects.toMatchObject({
      code: 'DATASOURCE_ERROR',
      message: expect.stringContaining(message) as string,
    })
  })

  it('binds parameters of every JSON kind', async () => {
    const [row] = await datasourceRows(
      datasource,
      `select $1::int4 + 1 as a, $2 as b, $3::int4[] as c, $4::jsonb as d, $5::jsonb as e,
         $6::bool as f, $7::text[] as g, $8::int4 as h, $9::float8 as i`,
      [1, 'x', [1, 2], { a: [1] }, [1, { b: 2 }], true, ['a"b\\c', null, ''], null, 1.5],
    )
    expect(row).toEqual({
      a: 2,
      b: 'x',
      c: [1, 2],
      d: { a: [1] },
      e: [1, { b: 2 }],
      f: true,
      g: ['a"b\\c', null, ''],
      h: null,
      i: 1.5,
    })
  })

  it('gives no rows as an empty array, rows without columns as empty objects', async () => {
    expect(await datasourceRows(datasource, 'select 1 as a where false')).toEqual([])
    expect(await datasourceRows(datasource, 'select from generate_series(1, 2)')).toEqual([{}, {}])
  })

  it('fails instead of cutting off what exceeds the limits', async () => {
    const sql = 'select i from generate_series(1, 3000) i'
    await expect(datasource.query(sql, [], { maxRows: 2999 }, never)).rejects.toThrow(
      'the query returns more than 2999 rows',
    )
    expect(await datasourceRows(datasource, sql, [], { maxRows: 3000 })).toHaveLength(3000)
    await expect(
      datasource.query(
        "select repeat('x', 100) from generate_series(1, 100000)",
        [],
        { maxBytes: 2 ** 20 },
        never,
      ),
    ).rejects.toThrow('the rows are larger than 1 MB')
    expect(await datasourceRows(datasource, 'select 1 as a')).toEqual([{ a: 1 }])
  })
})
