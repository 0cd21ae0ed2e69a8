import { readFileSync } from 'node:fs'
import path from 'node:path'
import { describe, expect, it } from 'vitest'
import {
  nextOccurrence,
  occurrencesAfter,
  parseRule,
  zoneOffsets,
} from '../../../src/core/cron/index.ts'
import { cronCases } from './cron-cases.ts'

const debianCases = readFileSync(path.join(import.meta.dirname, 'debian-cron.txt'), 'utf8')
  .split('\n')
  .filter((line) => line !== '' && !line.startsWith('#'))
  .map((line) => line.split(' | '))

const instant = (text: string): string => new Date(text).toISOString()

describe('the next occurrence', () => {
  it.each(cronCases)('of "%s" in %s after %s', (rule, zone, after, ...expected) => {
    const found = occurrencesAfter(parseRule(rule), zoneOffsets(zone), Date.parse(after))
      .take(expected.length)
      .map(({ atMs }) => new Date(atMs).toISOString())
    expect(found.toArray()).toEqual(expected.map(instant))
  })

  it('is that of Debian cron around changes of zones', () => {
    expect(debianCases.length).toBeGreaterThan(300)
    const found = debianCases.map(([rule = '', zone = '', after = '', expected = '']) => {
      const occurrences = occurrencesAfter(parseRule(rule), zoneOffsets(zone), Date.parse(after))
        .take(expected.split(' ').length)
        .map(({ atMs }) => `${new Date(atMs).toISOString().slice(0, 16)}Z`)
      return [rule, zone, after, occurrences.toArray().join(' ')]
    })
    expect(found).toEqual(debianCases)
  })

  it('is the same asked from one occurrence, and from any instant before it', () => {
    const rule = parseRule('0,30 2 * * *')
    const zone = zoneOffsets('America/New_York')
    const end = Date.parse('2026-03-08T07:00Z')
    for (const minutes of [1, 30, 59, 60, 61, 119, 120, 121, 600]) {
      expect(nextOccurrence(rule, zone, end - minutes * 60_000)?.atMs).toBe(end)
    }
  })

  it('tells what was moved, and which pass it is', () => {
    const newYork = zoneOffsets('America/New_York')
    const moved = nextOccurrence(parseRule('30 2 * * *'), newYork, Date.parse('2026-03-08T00:00Z'))
    expect(moved?.movedFromMs).toBe(Date.parse('2026-03-08T02:30Z'))
    const first = nextOccurrence(parseRule('30 1 * * *'), newYork, Date.parse('2026-11-01T00:00Z'))
    expect(first?.pass).toBe('first')
    const second = nextOccurrence(parseRule('30 * * * *'), newYork, Date.parse('2026-11-01T06:00Z'))
    expect(second?.pass).toBe('second')
    const plain = nextOccurrence(parseRule('30 * * * *'), newYork, Date.parse('2026-11-01T07:00Z'))
    expect(plain).not.toHaveProperty('pass')
  })
})
