/** The rules of zone changes, against croner and against the loop of vixie cron. */
import { Cron } from 'croner'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  nextOccurrence,
  occurrencesAfter,
  parseRule,
  zoneOffsets,
} from '../../../src/core/cron/index.ts'
import { vixieCron } from './vixie-cron.ts'

const hourMs = 3_600_000
const years = [2011, 2016, 2018, 2020, 2023, 2024, 2026, 2027]

/** One zone for each way in which zones change in these years, with its changes. */
const changingZones = collectChanges()

interface Change {
  readonly zone: string
  readonly atMs: number
  /** A gap that ends on another day than it begins, as at 23:30 in Pyongyang in 2018. */
  readonly endsNextDay: boolean
}

function collectChanges(): Change[] {
  const seen = new Set<string>()
  return Intl.supportedValuesOf('timeZone').flatMap((name) => {
    const zone = zoneOffsets(name)
    return years.flatMap((year) => {
      const changes: Change[] = []
      let { endMs, offsetMs } = zone.spanAt(Date.UTC(year, 0))
      while (endMs < Date.UTC(year + 1, 0)) {
        const next = zone.spanAt(endMs)
        const key = `${endMs} ${offsetMs} ${next.offsetMs}`
        if (!seen.has(key) && next.offsetMs !== offsetMs) {
          const isGap = next.offsetMs > offsetMs
          const endsNextDay = isGap && dayOf(endMs + offsetMs) !== dayOf(endMs + next.offsetMs)
          changes.push({ zone: name, atMs: endMs, endsNextDay })
        }
        seen.add(key)
        ;({ endMs, offsetMs } = next)
      }
      return changes
    })
  })
}

function dayOf(localMs: number): number {
  return Math.floor(localMs / (24 * hourMs))
}

const number = (min: number, max: number) => fc.integer({ min, max })
const single = (min: number, max: number) => number(min, max).map(String)
const range = (min: number, max: number) =>
  fc
    .tuple(number(min, max), number(min, max))
    .map(([a, b]) => `${Math.min(a, b)}-${Math.max(a, b)}`)
const list = (min: number, max: number) =>
  fc.array(single(min, max), { minLength: 2, maxLength: 3 }).map((items) => items.join(','))
const step = (...steps: number[]) => fc.constantFrom(...steps).map((n) => `*/${n}`)
const field = (min: number, max: number, ...steps: number[]) =>
  fc.oneof(
    { weight: 4, arbitrary: single(min, max) },
    { weight: 2, arbitrary: list(min, max) },
    { weight: 1, arbitrary: range(min, max) },
    { weight: 1, arbitrary: step(...steps) },
    { weight: 1, arbitrary: fc.constant('*') },
  )
const mostlyAny = (other: fc.Arbitrary<string>) =>
  fc.oneof({ weight: 3, arbitrary: fc.constant('*') }, { weight: 1, arbitrary: other })

const minutes = field(0, 59, 5, 7, 15, 20, 30)
/** Around midnight and the small hours, where zones change. */
const hours = fc.oneof(field(0, 3, 2, 3), field(0, 23, 2, 5, 6))
const daysOfMonth = mostlyAny(
  fc.oneof(single(1, 28), list(1, 31), range(1, 31), step(2, 3), fc.constant('L')),
)
const months = mostlyAny(fc.oneof(list(1, 12), range(1, 12), step(2, 3)))
const daysOfWeek = mostlyAny(
  fc.oneof(
    single(0, 7),
    list(0, 6),
    range(0, 6),
    fc.constantFrom('MON-FRI', 'sat', '5L', '1#2', '6-7', 'Sun#1'),
  ),
)
const rules = fc.tuple(minutes, hours, daysOfMonth, months, daysOfWeek).map((all) => all.join(' '))
const rulesWithSeconds = fc
  .tuple(fc.oneof(single(0, 59), list(0, 59)), rules)
  .map((all) => all.join(' '))
const changes = fc.constantFrom(...changingZones)
const near = fc.integer({ min: -30 * 60, max: 6 * 60 })

const isReadable = (rule: string): boolean => {
  try {
    parseRule(rule)
    return true
  } catch {
    // It never fires.
    return false
  }
}

describe('occurrences around zone changes', () => {
  it('are those of croner', () => {
    fc.assert(
      fc.property(
        fc.oneof(rules, rulesWithSeconds).filter(isReadable),
        // Of a fixed time inside such a gap croner forgets the run; vixie cron, below, has it.
        changes.filter(({ endsNextDay }) => !endsNextDay),
        near,
        (rule, { zone, atMs }, minutesAway) => {
          const from = atMs + minutesAway * 60_000
          const croner = new Cron(rule, {
            timezone: zone,
            fixedTimeRule: 'no-wildcard',
            paused: true,
          })
          let theirs = new Date(from)
          let ours = from
          for (let count = 0; count < 4; count += 1) {
            theirs = croner.nextRun(theirs) as Date
            ours = nextOccurrence(parseRule(rule), zoneOffsets(zone), ours)?.atMs ?? 0
            expect(new Date(ours).toISOString()).toBe(theirs.toISOString())
          }
        },
      ),
      { numRuns: 4000 },
    )
  })

  it('are those of the loop of vixie cron, with the minute of a jump once', () => {
    const stepped = fc.tuple(range(0, 59), fc.constantFrom(2, 15)).map(([r, n]) => `${r}/${n}`)
    const more = fc
      .tuple(fc.oneof(minutes, stepped), hours, daysOfMonth, months, daysOfWeek)
      .map((all) => all.join(' '))
    fc.assert(
      fc.property(more.filter(isReadable), changes, (rule, { zone, atMs }) => {
        const read = parseRule(rule)
        const clock = zoneOffsets(zone)
        const span = [atMs - 6 * hourMs, atMs + 30 * hourMs] as const
        const everyMinute = zoneOffsets('UTC')
        const matches = (localMs: number): boolean =>
          nextOccurrence(read, everyMinute, localMs - 1)?.atMs === localMs
        const expected = vixieCron(matches, read.isWildcard, (at) => clock.offsetAt(at), span)
        const found = occurrencesAfter(read, clock, span[0] - 1)
        const ours: number[] = []
        for (const { atMs: at } of found) {
          if (at >= span[1]) break
          ours.push(at)
        }
        expect(ours.map(text)).toEqual(expected.map(text))
      }),
      { numRuns: 500 },
    )
  })
})

const text = (ms: number): string => new Date(ms).toISOString()
