import { expect, it } from 'vitest'
import { annotations, stepSummary } from '../../../src/cli/ci/github.ts'
import { junitXml } from '../../../src/cli/ci/junit.ts'
import type { CiCase } from '../../../src/cli/ci/report.ts'
import { jsonWithoutCommands, withoutCommands } from '../../../src/cli/ci/without-commands.ts'
import { isJsonText } from '../../../src/cli/output/render.ts'
import { resultOutput, resultTable } from '../../../src/cli/views/result.ts'

const failed = (name: string, problem = 'no'): CiCase => ({
  group: 'g',
  name,
  outcome: 'failed',
  problems: [problem],
})

it('escapes what workflow commands would read', () => {
  const [line] = annotations([
    { ...failed('a, b', '100 %\nand :: more'), file: 'a,b:c.js', line: 3, column: 7 },
  ])
  expect(line).toBe(
    '::error file=a%2Cb%3Ac.js,line=3,col=7,title=g%3A a%2C b::100 %25%0Aand :: more',
  )
})

it('annotates ten at most, and nothing that passed', () => {
  const many = Array.from({ length: 30 }, (_, index) => failed(String(index)))
  expect(annotations(many)).toHaveLength(10)
  expect(annotations([{ ...failed('x'), outcome: 'passed' }])).toEqual([])
})

it('keeps the summary below what GitHub takes, and its table whole', () => {
  const many = Array.from({ length: 3000 }, (_, index) => failed(String(index), 'x'.repeat(1000)))
  const text = stepSummary('suite', many)
  expect(Buffer.byteLength(text)).toBeLessThanOrEqual(1024 * 1024)
  expect(text).toContain('### suite: 0 passed, 3000 failed')
  expect(stepSummary('s', [failed('a|b', '<b>\n`')])).toContain('g: a\\|b | &lt;b><br>\\` |')
})

it('writes XML whatever stands in a message', () => {
  const xml = junitXml('s & "t"', [
    { ...failed('<a>', 'bell \u0007, half \ud800, ]]> & "x"'), durationMs: 1500 },
    { ...failed('b'), outcome: 'error' },
    { ...failed('c'), outcome: 'passed', log: 'line' },
  ])
  expect(xml).toContain(
    '<testsuite name="s &amp; &quot;t&quot;" tests="3" failures="1" errors="1" time="1.500">',
  )
  expect(xml).toContain('message="bell \ufffd, half \ufffd, ]]&gt; &amp; &quot;x&quot;"')
  expect(xml).toContain('<error message="no">')
  expect(xml).toContain('<system-out>line</system-out>')
})

it('has no line that a runner obeys, and JSON keeps its value', () => {
  const hostile = '::a\r\u0085 ::b\n\t::c ##[d]'
  const obeyed = /^[\s\u0085]*::|##\[/m
  expect(obeyed.test(withoutCommands(hostile))).toBe(false)
  const value = { a: [hostile, '##[group]x'] }
  for (const text of [JSON.stringify(value), JSON.stringify(value, null, 2)]) {
    const safe = jsonWithoutCommands(text)
    expect(obeyed.test(safe)).toBe(false)
    expect(JSON.parse(safe)).toEqual(value)
  }
})

it('knows what is JSON whatever format was named', () => {
  const rows = resultOutput('j', '[{"a":1}]', true)
  const formats = ['table', 'json', 'jsonl', 'csv', 'name'] as const
  expect(formats.filter((format) => isJsonText(rows, format))).toEqual(['json', 'jsonl'])
  const text = resultOutput('j', '"::a"', false)
  expect(formats.filter((format) => isJsonText(text, format))).not.toContain('name')
  expect(isJsonText(text, 'table') && isJsonText(text, 'csv')).toBe(true)
})

it('lets no field around the rows of a result begin a line or drive a terminal', () => {
  const text = resultTable(JSON.stringify({ note: 'a\n::b\u001b[31m', rows: [{ a: 1 }] })) ?? ''
  expect(text.split('\n')).toEqual(['note: a ::b\\u001b[31m', '', 'A', '1'])
})
