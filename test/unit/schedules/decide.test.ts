import { describe, expect, it } from 'vitest'
import { type DecisionInput, type Verdict, decide } from '../../../src/core/schedules/decide.ts'
import type { DueSchedule } from '../../../src/core/schedules/due-schedule.ts'

const hourly: DueSchedule = {
  id: '7d1f0c0e-0000-4000-8000-000000000001',
  analysisId: 'a',
  analysisName: 'birds',
  projectId: 'default',
  isAnalysisActive: true,
  cronExpression: '0 * * * *',
  timezone: 'UTC',
  nextRunAt: '2026-11-23T01:00:00Z',
  lastScheduledFor: '2026-11-23T00:00:00Z',
  missedPolicy: 'once',
  overlapPolicy: 'allow',
  catchUpWindowMs: 86_400_000,
  jitterMs: 0,
  pauseAfterFailures: null,
}

function decideAt(
  now: string,
  changes: Partial<DueSchedule> = {},
  input: Partial<DecisionInput> = {},
): Verdict {
  return decide(
    { ...hourly, ...changes },
    {
      nowMs: Date.parse(now),
      active: { jobIds: [], waiting: 0 },
      isFailing: false,
      ...input,
    },
  )
}

/** `fired 01:00 +2`: the decision, its time, and how many missed ones it stands for. */
const summary = ({ decisions }: Verdict): string[] =>
  decisions.map(({ decision, scheduledForMs, missedCount, job }) =>
    [
      decision,
      new Date(scheduledForMs).toISOString().slice(5, 16),
      ...(missedCount > 0 ? [`+${missedCount}`] : []),
      ...(job?.isWaiting ? ['waits'] : []),
    ].join(' '),
  )
const next = ({ nextRunAtMs }: Verdict): string => new Date(nextRunAtMs ?? 0).toISOString()

describe('an occurrence in time', () => {
  it('fires, and the next follows from it', () => {
    const verdict = decideAt('2026-11-23T01:00:00.100Z')
    expect(summary(verdict)).toEqual(['fired 11-23T01:00'])
    expect(next(verdict)).toBe('2026-11-23T02:00:00.000Z')
  })

  it('is not missed while it is late by less than a minute', () => {
    const late = decideAt('2026-11-23T01:00:59Z', { missedPolicy: 'skip' })
    expect(summary(late)).toEqual(['fired 11-23T01:00'])
    const missed = decideAt('2026-11-23T01:01:01Z', { missedPolicy: 'skip' })
    expect(summary(missed)).toEqual(['missed 11-23T01:00 +1'])
  })
})

describe('after an outage', () => {
  const minutely = { cronExpression: '* * * * *', nextRunAt: '2026-11-23T01:00:00Z' }
  const rows = [
    // Ten minutes of every minute: the one in time stands for those before it.
    ['once', minutely, '2026-11-23T01:10:05Z', ['fired 11-23T01:10 +10']],
    ['skip', minutely, '2026-11-23T01:10:05Z', ['missed 11-23T01:09 +10', 'fired 11-23T01:10']],
    // Two hours.
    ['once', {}, '2026-11-23T02:30:00Z', ['fired 11-23T02:00 +2']],
    ['skip', {}, '2026-11-23T02:30:00Z', ['missed 11-23T02:00 +2']],
    ['all', {}, '2026-11-23T02:30:00Z', ['fired 11-23T01:00 +1', 'fired 11-23T02:00 +1']],
    // Three days, of which the window is one.
    ['once', {}, '2026-11-26T00:30:00Z', ['fired 11-26T00:00 +72']],
    ['skip', {}, '2026-11-26T00:30:00Z', ['missed 11-26T00:00 +72']],
    ['once', { cronExpression: '0 1 23 11 *' }, '2026-11-26T00:30:00Z', ['missed 11-23T01:00 +1']],
  ] as const

  it.each(rows)('policy %s with %o at %s', (missedPolicy, changes, now, expected) => {
    expect(summary(decideAt(now, { ...changes, missedPolicy }))).toEqual(expected)
  })

  it('policy all keeps to its window and its cap, oldest first', () => {
    const day = decideAt('2026-11-26T00:30:00Z', { missedPolicy: 'all' })
    expect(summary(day).slice(0, 2)).toEqual(['missed 11-25T00:00 +48', 'fired 11-25T01:00 +1'])
    expect(summary(day)).toHaveLength(1 + 24)
    const many = decideAt('2026-11-23T05:00:30Z', { ...minutely, missedPolicy: 'all' })
    expect(summary(many)[0]).toBe('missed 11-23T03:19 +140')
    expect(many.decisions.filter(({ decision }) => decision === 'fired')).toHaveLength(101)
    expect(next(many)).toBe('2026-11-23T05:01:00.000Z')
  })

  it('goes on in no time after years of every second', () => {
    const verdict = decideAt('2029-11-23T00:00:00.500Z', {
      cronExpression: '* * * * * *',
      nextRunAt: '2026-11-23T01:00:00Z',
    })
    expect(verdict.decisions).toHaveLength(1)
    expect(verdict.decisions[0]?.scheduledForMs).toBe(Date.parse('2029-11-23T00:00:00Z'))
    expect(next(verdict)).toBe('2029-11-23T00:00:01.000Z')
  })
})

describe('in the second pass of an overlap', () => {
  it('a rule of fixed times does not fire again', () => {
    const verdict = decideAt('2026-11-01T06:10:00Z', {
      cronExpression: '30 1 * * *',
      timezone: 'America/New_York',
      nextRunAt: '2026-11-01T05:30:00Z',
      lastScheduledFor: null,
    })
    expect(summary(verdict)).toEqual(['fired 11-01T05:30 +1'])
    expect(next(verdict)).toBe('2026-11-02T06:30:00.000Z')
  })
})

describe('what was decided on', () => {
  it('is not decided on again when the next run was set back', () => {
    const verdict = decideAt('2026-11-23T02:00:10Z', { lastScheduledFor: '2026-11-23T02:00:00Z' })
    expect(verdict).toMatchObject({ decisions: [], lastScheduledForMs: null })
    expect(next(verdict)).toBe('2026-11-23T03:00:00.000Z')
  })
})

describe('an earlier run that has not ended', () => {
  const busy = { active: { jobIds: ['old'], waiting: 0 } }
  const now = '2026-11-23T01:00:01Z'

  it.each([
    ['skip', ['skipped 11-23T01:00'], []],
    ['queue', ['fired 11-23T01:00 waits'], []],
    ['allow', ['fired 11-23T01:00'], []],
    ['cancel-other', ['fired 11-23T01:00'], ['old']],
  ] as const)('meets policy %s', (overlapPolicy, expected, cancelled) => {
    const verdict = decideAt(now, { overlapPolicy }, busy)
    expect(summary(verdict)).toEqual(expected)
    expect(verdict.cancelJobIds).toEqual(cancelled)
  })

  it('is named where it is the reason', () => {
    const { decisions } = decideAt(now, { overlapPolicy: 'skip' }, busy)
    expect(decisions[0]?.reason).toBe('job old has not ended')
  })

  it('lets runs that are caught up with follow each other', () => {
    const changes = { overlapPolicy: 'skip', missedPolicy: 'all' } as const
    expect(summary(decideAt('2026-11-23T03:30:00Z', changes))).toEqual([
      'fired 11-23T01:00 +1',
      'fired 11-23T02:00 +1 waits',
      'fired 11-23T03:00 +1 waits',
    ])
  })

  it('lets no more than 1000 wait', () => {
    const active = { jobIds: ['old'], waiting: 1000 }
    const verdict = decideAt(now, { overlapPolicy: 'queue' }, { active })
    expect(summary(verdict)).toEqual(['skipped 11-23T01:00'])
  })
})

describe('a schedule that shall not run', () => {
  it('because its analysis is disabled, says so', () => {
    const { decisions, pauseReason } = decideAt('2026-11-23T01:00:01Z', { isAnalysisActive: false })
    expect(decisions).toMatchObject([
      { decision: 'skipped', reason: 'the analysis "birds" is disabled', job: null },
    ])
    expect(pauseReason).toBeNull()
  })

  it('because its runs failed, switches itself off', () => {
    const verdict = decideAt('2026-11-23T01:00:01Z', { pauseAfterFailures: 3 }, { isFailing: true })
    expect(verdict.pauseReason).toBe('paused: 3 runs in a row failed')
    expect(summary(verdict)).toEqual(['skipped 11-23T01:00'])
  })
})

describe('a rule that cannot be followed', () => {
  it('still fires what was due by it, and keeps the error', () => {
    const verdict = decideAt('2026-11-23T01:00:01Z', { cronExpression: 'every hour' })
    expect(summary(verdict)).toEqual(['fired 11-23T01:00'])
    expect(verdict.nextRunAtMs).toBeNull()
    expect(verdict.ruleError).toContain('it has 2 fields')
  })
})

describe('jitter', () => {
  it('is the same for each occurrence of a schedule, and stays below the next', () => {
    const runAt = (nextRunAt: string, jitterMs: number): number => {
      const { decisions } = decideAt(nextRunAt, { nextRunAt, jitterMs, lastScheduledFor: null })
      return (decisions[0]?.job?.runAtMs ?? 0) - Date.parse(nextRunAt)
    }
    const first = runAt('2026-11-23T01:00:00Z', 600_000)
    expect(first).toBeGreaterThan(0)
    expect(first).toBeLessThanOrEqual(600_000)
    expect(runAt('2026-11-24T07:00:00Z', 600_000)).toBe(first)
    expect(runAt('2026-11-23T01:00:00Z', 50 * 86_400_000)).toBeLessThan(3_600_000)
  })
})
