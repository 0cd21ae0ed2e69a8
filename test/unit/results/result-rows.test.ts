import { describe, expect, it } from 'vitest'
import { columnsOf, resultRows } from '../../../src/core/results/result-rows.ts'
import { rowsAsCsv, rowsAsJson, rowsAsJsonLines } from '../../../src/core/results/rows-as-text.ts'

const row = { a: 1 }

describe('resultRows', () => {
  it.each([
    [[row], [row]],
    [[], []],
    [{ rows: [row], about: 'x' }, [row]],
    [{ rows: [], others: [row] }, []],
    [{ total: 1, strikes: [row], none: [] }, [row]],
    [{ rows: [1], strikes: [row] }, [row]],
    [{ one: [row], two: [row] }, undefined],
    [{ none: [] }, undefined],
    [[row, 1], undefined],
    [[[1]], undefined],
    [[null], undefined],
    [{ rows: [row, null] }, undefined],
    ['text', undefined],
    [null, undefined],
  ])('finds in %j %j', (result, rows) => {
    expect(resultRows(result)).toEqual(rows)
  })

  it('takes columns from all rows', () => {
    expect(columnsOf([{ b: 1 }, { a: 1, b: 2 }])).toEqual(['b', 'a'])
  })
})

const csv = (values: readonly unknown[], isRaw = false): string[] =>
  rowsAsCsv(
    values.map((value) => ({ x: value })),
    { isRaw },
  )
    .split(/\n(?=(?:[^"]|"[^"]*")*$)/)
    .slice(1, -1)

describe('rowsAsCsv', () => {
  it('quotes as RFC 4180 says, and tells nothing from an empty text', () => {
    expect(rowsAsCsv([{ 'a,b': 'x"y', c: null }, { c: '' }, { c: 'two\nlines' }], { isRaw: false }))
      .toBe(`"a,b",c
"x""y",
,""
,"two
lines"
`)
    expect(csv([1.5, true, [1, 'a'], { b: ',' }, 'plain text', ' spaced '])).toEqual([
      '1.5',
      'true',
      '"[1,""a""]"',
      '"{""b"":"",""}"',
      'plain text',
      ' spaced ',
    ])
    expect(rowsAsCsv([], { isRaw: false })).toBe('')
    expect(rowsAsCsv([{}], { isRaw: false })).toBe('')
  })

  it('disarms what a spreadsheet would run, and leaves numbers alone', () => {
    const texts = ['=1+1', '+cmd', '-cmd', '@SUM(A1)', '\t=1', '\r=1', '=HYPERLINK("x")']
    expect(csv(texts)).toEqual([
      "'=1+1",
      "'+cmd",
      "'-cmd",
      "'@SUM(A1)",
      "'\t=1",
      '"\'\r=1"',
      '"\'=HYPERLINK(""x"")"',
    ])
    expect(csv(texts, true).slice(0, 4)).toEqual(['=1+1', '+cmd', '-cmd', '@SUM(A1)'])
    const harmless = ['-5', '+1.25', '-3e10', 'a=1', '2026-01-01']
    expect(csv([...harmless, -5])).toEqual([...harmless, '-5'])
    expect(rowsAsCsv([{ '=x': 1 }], { isRaw: false })).toBe("'=x\n1\n")
  })
})

it('writes JSON and JSON lines that hold the rows', () => {
  const rows = [{ a: 'x\ny' }, { b: [1, null] }]
  expect(JSON.parse(rowsAsJson(rows))).toEqual(rows)
  expect(JSON.parse(rowsAsJson([]))).toEqual([])
  const lines = rowsAsJsonLines(rows).trimEnd().split('\n')
  expect(lines.map((line) => JSON.parse(line) as unknown)).toEqual(rows)
  expect(rowsAsJsonLines([])).toBe('')
})
