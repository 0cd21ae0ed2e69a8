import { expect, test } from 'vitest'
import { concurrentIndexOf } from '../../../src/core/migrate/concurrent-index.ts'

test.each([
  ['create index concurrently i on t (n)', { kind: 'create', name: 'i', table: 't' }],
  [
    'CREATE UNIQUE INDEX\n CONCURRENTLY IF NOT EXISTS "a ""b" ON ONLY s . "T" USING btree (n)',
    { kind: 'create', name: '"a ""b"', table: 's . "T"' },
  ],
  ['drop index concurrently if exists s.i', { kind: 'drop', name: 's.i', table: undefined }],
  ['create index i on t (n)', undefined],
  ['drop index i', undefined],
])('reads %j', (sql, expected) => {
  expect(concurrentIndexOf(sql)).toEqual(expected)
})
