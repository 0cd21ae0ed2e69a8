import { expect, it } from 'vitest'
import { annotations, stepSummary } from '../../../src/cli/ci/github.ts'
import { junitXml } from '../../../src/cli/ci/junit.ts'
import type { CiCase } from '../../../src/cli/ci/report.ts'

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
