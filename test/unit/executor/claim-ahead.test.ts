import { describe, expect, it } from 'vitest'
import { ClaimAhead } from '../../../src/core/executor/claim-ahead.ts'

function after(durations: readonly number[], concurrency = 4, cores = concurrency): number {
  const ahead = new ClaimAhead(concurrency, cores)
  for (const duration of durations) ahead.note(duration)
  return ahead.allowance
}
const times = (count: number, durationMs: number): number[] => Array(count).fill(durationMs)

describe('how many jobs are claimed beyond the free slots', () => {
  it('is none while too little is known', () => {
    expect(after([])).toBe(0)
    expect(after(times(19, 1))).toBe(0)
  })

  it('is what the slots get through in 100 ms', () => {
    expect(after(times(20, 2))).toBe(200)
    expect(after(times(20, 2), 1)).toBe(50)
  })

  it('is bounded for jobs that take no time', () => {
    expect(after(times(20, 0))).toBe(1024)
  })

  it('is none when more than one job in twenty takes 20 ms', () => {
    expect(after([...times(95, 1), ...times(5, 20)])).toBeGreaterThan(0)
    expect(after([...times(94, 1), ...times(6, 20)])).toBe(0)
  })

  it('allows for scripts that share the cores', () => {
    expect(after(times(20, 39), 4, 2)).toBe(10)
    expect(after(times(20, 40), 4, 2)).toBe(0)
    expect(after(times(20, 20), 2, 8)).toBe(0)
  })

  it('is none after it was wrong, until as many again were quick', () => {
    const ahead = new ClaimAhead(4, 4)
    for (const duration of [...times(90, 2), ...times(10, 50)]) ahead.note(duration)
    ahead.forget()
    for (const duration of times(19, 2)) ahead.note(duration)
    expect(ahead.allowance).toBe(0)
    ahead.note(2)
    expect(ahead.allowance).toBe(200)
  })

  it('forgets what was long ago', () => {
    expect(after([...times(100, 5000), ...times(100, 2)])).toBe(200)
    expect(after([...times(100, 2), ...times(100, 5000)])).toBe(0)
  })
})
