import { afterEach, expect, it, vi } from 'vitest'
import { matchPattern } from '../../../src/core/analyses/match-pattern.ts'

afterEach(() => vi.restoreAllMocks())

it('gives up a pattern that backtracks for ever', () => {
  expect(matchPattern('^(a+)+$', `${'a'.repeat(40)}!`)).toBe('too slow')
})

it('does not take a busy machine for a slow pattern', () => {
  const usage = vi.spyOn(process, 'threadCpuUsage')
  // As if another process had had the CPU each time the interrupt came.
  for (let call = 0; call < 3; call += 1) usage.mockReturnValueOnce({ user: 0, system: 0 })
  expect(matchPattern('^(a+)+$', `${'a'.repeat(40)}!`)).toBe('too slow')
  expect(usage.mock.calls.length).toBeGreaterThanOrEqual(4)
})
