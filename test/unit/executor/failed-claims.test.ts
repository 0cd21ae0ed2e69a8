import { expect, it } from 'vitest'
import { FailedClaims } from '../../../src/core/executor/failed-claims.ts'

it('waits longer with each failure, up to 5 s, and says each thing once', () => {
  const failures = new FailedClaims()
  expect(failures.delayMs).toBe(0)
  expect([failures.add('a'), failures.add('a'), failures.add('b'), failures.add('a')]).toEqual([
    true,
    false,
    true,
    false,
  ])
  for (let count = 0; count < 20; count += 1) {
    failures.add('a')
    expect(failures.delayMs).toBeLessThanOrEqual(5000)
  }
  expect(failures.delayMs).toBeGreaterThanOrEqual(2500)
  failures.end()
  expect(failures.delayMs).toBe(0)
  expect(failures.add('a')).toBe(true)
  expect(failures.delayMs).toBeLessThanOrEqual(200)
})
