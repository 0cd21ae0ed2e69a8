import { describe, expect, it } from 'vitest'
import { retryDelayMs } from '../../../src/core/executor/retry-delay.ts'

const policy = { limit: 3, delayMs: 1000, backoff: 'exponential' } as const
const job = { attempt: 1, lostCount: 0, handedBackCount: 0, maxAttempts: null }
const error = { code: 'script_error' }
const none = () => 0

describe('retryDelayMs', () => {
  it('doubles with each failed try', () => {
    const delays = [1, 2, 3].map((attempt) =>
      retryDelayMs(policy, { ...job, attempt }, error, none),
    )
    expect(delays).toEqual([1000, 2000, 4000])
  })

  it('stays the same when the backoff is fixed', () => {
    const fixed = { ...policy, backoff: 'fixed' } as const
    expect(retryDelayMs(fixed, { ...job, attempt: 3 }, error, none)).toBe(1000)
  })

  it('ends after the limit, not counting attempts that were lost or handed back', () => {
    expect(retryDelayMs(policy, { ...job, attempt: 4 }, error, none)).toBeUndefined()
    const moved = { ...job, attempt: 6, lostCount: 2, handedBackCount: 1 }
    expect(retryDelayMs(policy, moved, error, none)).toBe(4000)
  })

  it('never goes beyond the attempts of the job, lost ones counted and handed back ones not', () => {
    const limited = { ...job, attempt: 4, lostCount: 1, handedBackCount: 1, maxAttempts: 4 }
    expect(retryDelayMs(policy, limited, error, none)).toBe(2000)
    expect(retryDelayMs(policy, { ...limited, attempt: 5 }, error, none)).toBeUndefined()
    expect(retryDelayMs(policy, { ...job, maxAttempts: 1 }, error, none)).toBeUndefined()
  })

  it('waits at most an hour, and at most a quarter of the delay longer', () => {
    const often = { limit: 100, delayMs: 60_000, backoff: 'exponential' } as const
    expect(retryDelayMs(often, { ...job, attempt: 50 }, error, () => 1)).toBe(4_500_000)
  })

  it('does not repeat what can only fail again, nor what asks for none', () => {
    for (const code of ['parameter_error', 'definition_error', 'result_too_large']) {
      expect(retryDelayMs(policy, job, { code }, none)).toBeUndefined()
    }
    expect(retryDelayMs(undefined, job, error, none)).toBeUndefined()
  })
})
