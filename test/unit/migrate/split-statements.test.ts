import { describe, expect, test } from 'vitest'
import { splitStatements } from '../../../src/core/migrate/split-statements.ts'

const statements = (sql: string): string[] =>
  splitStatements(sql)
    .segments.map(({ statement }) => statement)
    .filter((statement) => statement !== '')

/** Texts that are one statement each, though they hold semicolons or quotes. */
const single: readonly (readonly [string, string])[] = [
  ['string', `select 'a;b'`],
  ['doubled quote', `select 'it''s; fine'`],
  ['backslash in an ordinary string', `select 'a\\'`],
  ['escape string', `select e'it\\'s; fine'`],
  ['escape string with a doubled quote', `select E'a''b\\\\;'`],
  ['word that ends in e before a string', `select date'2026-01-01;'`],
  ['quoted name', `select 1 as "a;""b"`],
  ['dollar quote', 'select $$a;b$$'],
  ['tagged dollar quote with another inside', 'select $fn$ a; $$ b; $$ $x$; $fn$'],
  ['dollar in a name', 'select a$b$c, d$b$e from t'],
  ['parameter', 'select $1, $2'],
  ['line comment', 'select 1 -- not; here\n + 2'],
  ['block comment', 'select /* a; b */ 1'],
  ['nested block comment', 'select /* a; /* b; */ c; */ 1'],
  ['quote in a comment', "select 1 -- it's\n, 2 /* don't */"],
  ['comment mark in a string', `select '/* ; --', 1`],
  ['rule with several commands', 'create rule r as on insert to t do also (select 1; select 2)'],
  [
    'function with a SQL body',
    'create or replace function f() returns int begin atomic select 1; select case when true then 1 else 2 end; end',
  ],
  [
    'function with a quoted body',
    'create function f() returns void language plpgsql as $$ begin null; end $$',
  ],
  ['letters beyond ASCII', 'select "é;🎉", $é$ ; $é$'],
]

describe('splitStatements', () => {
  test.each(single)('keeps a %s whole', (_name, sql) => {
    expect(splitStatements(sql).unclosed).toBeUndefined()
    expect(statements(sql)).toEqual([sql])
    expect(statements(`${sql};\n${sql};`)).toEqual([sql, sql])
  })

  test('splits at semicolons and leaves comments before a statement out of it', () => {
    expect(statements('select 1; -- one\n/* two */ select 2;;\n-- the end')).toEqual([
      'select 1',
      'select 2',
    ])
  })

  test('says where a statement begins', () => {
    const text = 'select 1;\n-- why\n  select 2;'
    const [, second] = splitStatements(text).segments
    expect(text.slice(second?.statementStart)).toBe('select 2;')
  })

  test('does not take begin in other statements for a block', () => {
    expect(statements('create table begin_t (); begin; select 1; end;')).toEqual([
      'create table begin_t ()',
      'begin',
      'select 1',
      'end',
    ])
  })

  test.each([
    ["select 'open; select 2", 'string', 7],
    ['select "open', 'quoted name', 7],
    ['select $x$ open $$', 'dollar quote', 7],
    ['select 1; /* open /* */', 'comment', 10],
  ])('tells what %j leaves open', (sql, what, at) => {
    expect(splitStatements(sql).unclosed).toEqual({ what, at })
  })
})
