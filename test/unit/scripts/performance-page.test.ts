import { expect, test } from 'vitest'
import { type Figure, figureLine } from '../../../bench/figure.ts'
import { readFigures } from '../../../scripts/performance/read-figures.ts'
import { performancePage } from '../../../scripts/performance/render-page.ts'

const drain: Figure = {
  figure: 'queue.drain',
  unit: 'jobs_per_s',
  ours: 11_000,
  peer: 10_000,
  limit: { atLeast: 1 },
  details: { pg_boss_jobs_per_s: 4000 },
  versions: { postgres: '15.18', 'pg-boss': '12.1.0' },
}
const start: Figure = {
  figure: 'startup: kiln --version against node -e 0',
  unit: 'ms',
  ours: 200,
  peer: 40,
  limit: { atMost: 4 },
  versions: {},
}
const memory: Figure = {
  figure: 'new: memory of <something>',
  unit: 'bytes',
  ours: 50 * 1024 ** 2,
  versions: {},
}
const lines = (...figures: readonly Figure[]) => figures.map(figureLine).join('\n')
const page = (...figures: readonly Figure[]) => performancePage(readFigures(lines(...figures)))

test('says ours, peer, ratio, limit, and what was missed', () => {
  const text = page(drain, start)
  expect(text).toMatch(/^\| drain \| jobs\/s \| 11,000 \| 10,000 \| 1\.1 \| at least 1 \| yes \|/m)
  expect(text).toMatch(/\| ms \| 200 \| 40 \| 5 \| at most 4 \| \*\*no\*\* \|/)
  expect(text).toContain('| limits | 1 of 2 kept |')
  expect(text).toMatch(/^\| missed \| startup: kiln --version .*: at most 4 was asked \|$/m)
})

test('says a limit in the unit of its column', () => {
  expect(page({ ...memory, limit: { atMost: 384 * 1024 ** 2 } })).toContain(
    '| MB | 50 | - | - | at most 384 | yes |',
  )
})

test('groups figures in an order of its own, with versions of peers, machine and date', () => {
  const text = page(drain, memory, start)
  expect([...text.matchAll(/^## (.*)$/gm)].map(([, title]) => title)).toEqual([
    'Start of a command',
    'Queue',
    'new',
    'Measure it yourself',
  ])
  expect(text).toContain('Measured with postgres 15.18, pg-boss 12.1.0.')
  expect(text).toContain(`| measured | ${new Date().toISOString().slice(0, 10)} |`)
  expect(text).toMatch(/^\| machine \| \d+ cores of .* of memory, .*, Node\.js 24\./m)
  expect(text).toContain('- drain: `pg_boss_jobs_per_s 4000`')
  expect(text).toContain(String.raw`| memory of \<something\> | MB | 50 | - | - | - | - |`)
})

test('takes the last of two lines of one figure, and refuses what is none', () => {
  const text = page(drain, { ...drain, ours: 9000 })
  expect(text).toContain('| drain | jobs/s | 9,000 | 10,000 | 0.9 | at least 1 | **no** |')
  expect(text).toContain('0 of 1 kept')
  expect(() => readFigures(`${figureLine(drain)}\nnpm warn`)).toThrow('line 2 is no figure')
  expect(() => readFigures('{"figure":"a"}')).toThrow('line 1 is no figure')
  expect(() => readFigures('\n')).toThrow('there are no figures')
})
