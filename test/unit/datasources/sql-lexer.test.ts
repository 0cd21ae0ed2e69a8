import { describe, expect, it } from 'vitest'
import {
  checkQuery,
  inlineParameters,
  literalOf,
} from '../../../src/core/datasources/postgres/checked-sql.ts'
import { readTokens } from '../../../src/core/datasources/postgres/sql-lexer.ts'

const parametersIn = (sql: string): string[] | undefined =>
  readTokens(sql)?.flatMap(({ kind, text }) => (kind === 'parameter' ? [text] : []))

describe('the lexer of Postgres SQL', () => {
  const statements: readonly (readonly [string, readonly string[]])[] = [
    ['select $1, $2', ['$1', '$2']],
    ["select '$1', $2", ['$2']],
    ["select 'it''s $1' || $2", ['$2']],
    [String.raw`select 'back\' , $1`, ['$1']],
    [String.raw`select E'quote\' $1', $2`, ['$2']],
    [`select E'one'\n 'two\\' $1', $2`, ['$2']],
    [`select E'one' -- it's\n 'two\\' $1', $2`, ['$2']],
    ['select "odd $1 ""name""", $2', ['$2']],
    ['select $$ $1 $$, $tag$ $1 $$ $tag$, $2', ['$2']],
    ['select 1 -- $1\n, $2', ['$2']],
    ['select /* $1 /* nested */ $2 */ $3', ['$3']],
    ['select a$1, b.c$2 from t$3', []],
    ['select x::text||$1||y', ['$1']],
    ['select 1+$1', ['$1']],
    ["select U&'d\\0061t' , $1", ['$1']],
    ['select größe$1, $2', ['$2']],
  ]
  it.each(statements)('finds the parameters of %s', (sql, parameters) => {
    expect(parametersIn(sql)).toEqual(parameters)
    expect(
      readTokens(sql)
        ?.map(({ text }) => text)
        .join(''),
    ).toBe(sql)
  })

  it.each(["select 'x", 'select "x', 'select $$x', 'select /* /* */', String.raw`select E'\'`])(
    'refuses %s, which is not closed',
    (sql) => expect(readTokens(sql)).toBeUndefined(),
  )

  it('puts literals in the place of parameters and drops what ends the statement', () => {
    const tokens = checkQuery("select $1, '$1', $2 from t where a = $1 ; -- done")
    expect(inlineParameters(tokens, ['1::int4', 'null::text'])).toBe(
      "select (1::int4), '$1', (null::text) from t where a = (1::int4)",
    )
  })

  it.each([
    ['x', "'x'::text"],
    ["it's", "'it''s'::text"],
    [String.raw`a\'b`, String.raw`E'a\\''b'::text`],
    [null, 'null::text'],
  ])('writes %s as the literal %s', (value, literal) => {
    expect(literalOf(value, 'text')).toBe(literal)
  })

  it.each([
    'select 1',
    ' ( (select 1))',
    'WITH x as (select 1) table x',
    'explain select 1',
    'explain (select 1)',
    'explain (analyze, costs off) ((select 1))',
    'explain analyze verbose values (1)',
    '/* x */ show all',
    '-- x\nvalues (1)',
  ])('lets %s pass', (sql) => expect(() => checkQuery(sql)).not.toThrow())
})
