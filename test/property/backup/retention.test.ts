import fc from 'fast-check'
import { expect, it } from 'vitest'
import {
  type RetainedSet,
  type RetentionRules,
  decideRetention,
} from '../../../src/core/backup/retention.ts'

const hourMs = 3_600_000
const now = Date.UTC(2026, 10, 29, 12)

const setsOf = fc
  .array(
    fc.record({
      startedAt: fc.integer({ min: 0, max: 24 * 500 }).map((hours) => now - hours * hourMs),
      isComplete: fc.boolean(),
      isSound: fc.boolean(),
      source: fc.constantFrom('all', 'config'),
    }),
    { maxLength: 40 },
  )
  .map((sets) => sets.map((set, index): RetainedSet => ({ ...set, id: `set-${index}` })))

const count = fc.option(fc.integer({ min: 0, max: 6 }), { nil: undefined })
const rulesOf: fc.Arbitrary<RetentionRules> = fc.record({
  keepLast: count,
  keepDays: count,
  daily: count,
  weekly: count,
  monthly: count,
})

const keptBy = (sets: readonly RetainedSet[], rules: RetentionRules) =>
  new Set(
    decideRetention(sets, rules, now)
      .filter(({ isKept }) => isKept)
      .map(({ id }) => id),
  )

it('decides on every set, once, with a reason', () => {
  fc.assert(
    fc.property(setsOf, rulesOf, (sets, rules) => {
      const decisions = decideRetention(sets, rules, now)
      expect(decisions.map(({ id }) => id)).toEqual(sets.map(({ id }) => id))
      expect(decisions.every(({ reasons }) => reasons.length > 0)).toBe(true)
    }),
  )
})

it('never removes the newest good set of a source', () => {
  fc.assert(
    fc.property(setsOf, rulesOf, (sets, rules) => {
      const kept = keptBy(sets, rules)
      for (const source of ['all', 'config']) {
        const good = sets.filter((set) => set.source === source && set.isComplete && set.isSound)
        if (good.length === 0) continue
        const newest = Math.max(...good.map(({ startedAt }) => startedAt))
        expect(good.some(({ id, startedAt }) => startedAt === newest && kept.has(id))).toBe(true)
      }
    }),
  )
})

it('keeps with all rules what any of them keeps alone', () => {
  fc.assert(
    fc.property(setsOf, rulesOf, (sets, rules) => {
      const kept = keptBy(sets, rules)
      for (const [name, value] of Object.entries(rules)) {
        for (const id of keptBy(sets, { [name]: value })) expect(kept.has(id)).toBe(true)
      }
    }),
  )
})

it('lets no partial or damaged set push a good one out', () => {
  fc.assert(
    fc.property(setsOf, rulesOf, (sets, rules) => {
      const good = sets.filter(({ isComplete, isSound }) => isComplete && isSound)
      const withOthers = keptBy(sets, rules)
      for (const id of keptBy(good, rules)) expect(withOthers.has(id)).toBe(true)
    }),
  )
})

it('keeps the newest of each of the last days, weeks and months that have one', () => {
  const at = (text: string): RetainedSet => ({
    id: text,
    startedAt: Date.parse(`${text}:00Z`),
    isComplete: true,
    isSound: true,
    source: 'all',
  })
  const sets = [
    '2026-11-29T02:00',
    '2026-11-29T01:00',
    '2026-11-27T01:00',
    '2026-11-23T01:00', // a Monday
    '2026-11-22T01:00',
    '2026-10-31T01:00',
    '2026-10-01T01:00',
  ].map(at)
  expect([...keptBy(sets, { daily: 2 })]).toEqual(['2026-11-29T02:00', '2026-11-27T01:00'])
  expect([...keptBy(sets, { weekly: 2 })]).toEqual(['2026-11-29T02:00', '2026-11-22T01:00'])
  expect([...keptBy(sets, { monthly: 2 })]).toEqual(['2026-11-29T02:00', '2026-10-31T01:00'])
  expect([...keptBy(sets, { keepLast: 2 })]).toEqual(['2026-11-29T02:00', '2026-11-29T01:00'])
  expect([...keptBy(sets, { keepDays: 3 })]).toEqual([
    '2026-11-29T02:00',
    '2026-11-29T01:00',
    '2026-11-27T01:00',
  ])
})
