import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type DuckdbProcess, startDuckdbProcess } from '../../../src/core/duckdb/index.ts'
import { makeFolder, never, processOptions, queryRows, removeFolder } from '../../support/duckdb.ts'

let folder: string
let duckdb: DuckdbProcess

beforeAll(async () => {
  folder = makeFolder()
  duckdb = await startDuckdbProcess(processOptions(folder))
})

afterAll(async () => {
  await duckdb.stop()
  removeFolder(folder)
})

/** SQL expression, value in the script. */
const values: readonly (readonly [string, unknown])[] = [
  ['null', null],
  ['true', true],
  ['42::tinyint', 42],
  // 2^53 itself is exact.
  ['9007199254740992::bigint', 2 ** 53],
  ['-9007199254740992::hugeint', -(2 ** 53)],
  ['255::utinyint', 255],
  ['(-32768)::smallint', -32768],
  ['4294967295::uinteger', 4294967295],
  ['9007199254740991::bigint', 9007199254740991],
  ['(-9007199254740991)::bigint', -9007199254740991],
  ['9007199254740991::ubigint', 9007199254740991],
  ['12345678901234::hugeint', 12345678901234],
  ['12345678901234::uhugeint', 12345678901234],
  ['12345678901::bignum', 12345678901],
  ['0.1::float', 0.1],
  ['16777217::float', 16777216],
  ['0.1::double', 0.1],
  ['5e-324::double', 5e-324],
  ["'-0'::double", -0],
  ["'NaN'::double", 'NaN'],
  ["'Infinity'::double", 'Infinity'],
  ["'-Infinity'::float", '-Infinity'],
  ['1.50::decimal(9,2)', 1.5],
  ['-0.05::decimal(9,2)', -0.05],
  ['123456789012345678.123456789::decimal(38,9)', 123456789012345680],
  ['\'a "quoted" \\ text\n\t\u0001 é 😀\'', 'a "quoted" \\ text\n\t\u0001 é 😀'],
  ["''", ''],
  ["'\\xDE\\xAD'::blob", '3q0='],
  ["'101'::bit", '101'],
  ["'4ac7a9e9-607c-4c8a-84f3-843f0191e3fd'::uuid", '4ac7a9e9-607c-4c8a-84f3-843f0191e3fd'],
  ["'b'::enum('a', 'b')", 'b'],
  ["date '2024-02-29'", '2024-02-29'],
  ["date '0001-01-01'", '0001-01-01'],
  ["'0044-03-15 (BC)'::date", '-000043-03-15'],
  ["date '12000-01-01'", '+012000-01-01'],
  ["date '5881580-07-10'", '+5881580-07-10'],
  ["'infinity'::date", 'infinity'],
  ["'-infinity'::date", '-infinity'],
  ["timestamp '2024-01-02 03:04:05'", '2024-01-02T03:04:05Z'],
  ["timestamp '2024-01-02 03:04:05.12'", '2024-01-02T03:04:05.120000Z'],
  ["timestamp '1969-12-31 23:59:59.999999'", '1969-12-31T23:59:59.999999Z'],
  ["timestamptz '2024-01-02 03:04:05.000001+02'", '2024-01-02T01:04:05.000001Z'],
  ["timestamp '0044-03-15 (BC) 10:00:00'", '-000043-03-15T10:00:00Z'],
  ["timestamp '1500-01-01 00:00:00.000001'", '1500-01-01T00:00:00.000001Z'],
  ["timestamp '12000-01-01 00:00:00.5'", '+012000-01-01T00:00:00.500000Z'],
  ["'infinity'::timestamp", 'infinity'],
  ["'-infinity'::timestamptz", '-infinity'],
  ["timestamp_s '2024-01-02 03:04:05'", '2024-01-02T03:04:05Z'],
  ["timestamp_ms '2024-01-02 03:04:05.123'", '2024-01-02T03:04:05.123000Z'],
  ["timestamp_ns '2024-01-02 03:04:05.123456789'", '2024-01-02T03:04:05.123456789Z'],
  ["timestamp_ns '2024-01-02 03:04:05.123456'", '2024-01-02T03:04:05.123456Z'],
  ["time '01:02:03'", '01:02:03'],
  ["time '24:00:00'", '24:00:00'],
  ["time '01:02:03.5'", '01:02:03.500000'],
  ["'10:00:00+05:30'::timetz", '10:00:00+05:30'],
  ["'24:00:00-15:59'::timetz", '24:00:00-15:59'],
  ["interval '1 year 2 months 3 days 4 hours 5 minutes 6.5 seconds'", 'P1Y2M3DT4H5M6.5S'],
  ["interval '-1 month' + interval '3 days' - interval '1 microsecond'", 'P-1M3DT-0.000001S'],
  ["interval '0 days'", 'PT0S'],
  [`'{"a": [1, null]}'::json`, { a: [1, null] }],
  ["'null'::json", null],
  ['[1, null, 3]', [1, null, 3]],
  ['array_value(1.5::double, 2)', [1.5, 2]],
  ["{'a': 1, 'b': [{'c': null}]}", { a: 1, b: [{ c: null }] }],
  ["map {'k': 1, 'l': null}", { k: 1, l: null }],
  ["map {date '2024-01-01': [true]}", { '2024-01-01': [true] }],
  ['map {1: 2}', { 1: 2 }],
  ['union_value(x := 7)', 7],
]

describe('rows of DuckDB', () => {
  it.each(values)('maps %s', async (sql, expected) => {
    const [row] = await queryRows(duckdb, `select ${sql} as x`)
    expect(row).toEqual({ x: expected })
  })

  it('maps the same within a list', async () => {
    const scalars = values.filter(([, value]) => value !== null && typeof value !== 'object')
    for (const [sql, expected] of scalars) {
      const [row] = await queryRows(duckdb, `select [${sql}, null] as x`)
      expect(row, sql).toEqual({ x: [expected, null] })
    }
  })

  it('gives decimals as strings with all their digits when asked for exact', async () => {
    const [row] = await queryRows(
      duckdb,
      `select 123456789012345678.123456789::decimal(38,9) as a, -0.05::decimal(4,2) as b,
         7::decimal(5,0) as c, [1.10::decimal(5,2)] as d, 1::double as e`,
      [],
      { exact: true },
    )
    expect(row).toEqual({
      a: '123456789012345678.123456789',
      b: '-0.05',
      c: '7',
      d: ['1.10'],
      e: 1,
    })
  })

  const refused: readonly (readonly [string, string])[] = [
    ['-9007199254740993::hugeint as x', 'column "x" has -9007199254740993, beyond 2^53'],
    [
      '9007199254740993::bigint as x',
      'column "x" has 9007199254740993, beyond 2^53: cast it to text',
    ],
    ['sum(9007199254740991) as x from range(2)', 'column "x" has 18014398509481982, beyond 2^53'],
    ['[9007199254740993] as x', 'column "x" has 9007199254740993, beyond 2^53'],
    ['1 as a, 2 as a', 'two columns are named "a": give one an alias'],
    ["'NaN'::json as x", 'column "x" has JSON that is not standard'],
    ['row(1, 2) as x', 'column "x" is a struct without proper field names'],
    ['map {[1]: 2} as x', 'column "x" is a map with nested keys'],
    ['1::variant as x', 'column "x" has the type VARIANT: cast it to text'],
  ]
  it.each(refused)('refuses %s', async (sql, message) => {
    await expect(duckdb.query(`select ${sql}`, [], {}, never)).rejects.toMatchObject({
      code: 'DATASOURCE_ERROR',
      message: expect.stringContaining(message) as string,
    })
  })

  it('gives no rows as an empty array, and keeps the order of rows over many chunks', async () => {
    expect(await queryRows(duckdb, 'select 1 as a where false')).toEqual([])
    const rows = await queryRows(duckdb, 'select i from range(10000) t(i) order by i desc')
    expect(rows.map(({ i }) => i)).toEqual(Array.from({ length: 10_000 }, (_, i) => 9999 - i))
  })

  it('fails instead of cutting off what exceeds the limits', async () => {
    await expect(duckdb.query('from range(3000)', [], { maxRows: 2999 }, never)).rejects.toThrow(
      'the query returns more than 2999 rows',
    )
    expect(await queryRows(duckdb, 'from range(3000)', [], { maxRows: 3000 })).toHaveLength(3000)
    await expect(
      duckdb.query("select repeat('x', 100) from range(100000)", [], { maxBytes: 2 ** 20 }, never),
    ).rejects.toThrow('the rows are larger than 1 MB')
  })
})
