import { expect, it } from 'vitest'
import { formatOfPath } from '../../../src/core/datasources/file-format.ts'
import { parsePostgresUrl, placeOf } from '../../../src/core/datasources/postgres-url.ts'

it.each([
  ['postgresql://u:p@h:5433/d', { host: 'h', port: 5433, database: 'd', user: 'u' }],
  ['postgres://u:p@h/d', { host: 'h', port: 5432, database: 'd', user: 'u' }],
  [
    'postgresql+asyncpg://u:p@h/d?sslmode=require',
    { host: 'h', port: 5432, database: 'd', user: 'u' },
  ],
  ['postgresql://u%40x:p%2F@h/d', { host: 'h', port: 5432, database: 'd', user: 'u@x' }],
  [
    'postgresql:///d?host=/run/pg&user=u',
    { host: '/run/pg', port: 5432, database: 'd', user: 'u' },
  ],
  [
    'postgresql://u@/d?host=/run/pg&port=5433',
    { host: '/run/pg', port: 5433, database: 'd', user: 'u' },
  ],
  ['postgresql://u@h', { host: 'h', port: 5432, database: 'u', user: 'u' }],
])('reads %s, leaving the password out', (text, place) => {
  expect(placeOf(parsePostgresUrl(text, 'the URL'))).toEqual(place)
})

it.each(['mysql://u:s3cr3t@h/d', 's3cr3t', '', 'postgresql://u:s3cr3t@h:port/d'])(
  'refuses %s without quoting it',
  (text) => {
    expect(() => parsePostgresUrl(text, 'the URL of "x"')).toThrow(
      /^the URL of "x" is not a Postgres URL$/,
    )
  },
)

it.each([
  ['a.csv', 'csv'],
  ['/data/*.PARQUET', 'parquet'],
  ['a.b.ndjson', 'jsonl'],
  ['a.jsonl.gz', 'jsonl'],
  ['a.json', 'json'],
  ['a.tsv', 'csv'],
])('tells the format of %s', (file, format) => {
  expect(formatOfPath(file)).toBe(format)
})

it.each(['a', 'a.gz', 'a.xlsx', '/data/*'])('asks for the format of %s', (file) => {
  expect(() => formatOfPath(file)).toThrow('does not tell its format')
})
