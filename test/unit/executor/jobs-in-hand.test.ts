import { describe, expect, it } from 'vitest'
import { type JobInHand, JobsInHand } from '../../../src/core/executor/jobs-in-hand.ts'

const job = (projectId: string, rest: Partial<JobInHand> = {}): JobInHand => ({
  projectId,
  priority: 0,
  ageMs: 0,
  ...rest,
})

function holding(...jobs: readonly JobInHand[]): JobsInHand<JobInHand> {
  const hand = new JobsInHand<JobInHand>()
  hand.add(jobs)
  return hand
}

describe('which of the jobs in hand is next', () => {
  it('is the first, of a project that does not run here', () => {
    const [a, b] = [job('a'), job('b')]
    const hand = holding(a, b)
    expect(hand.takeNext()).toBe(a)
    expect(hand.takeNext()).toBe(b)
    expect(hand.takeNext()).toBeUndefined()
    expect(hand.count).toBe(0)
  })

  it('is one of the project whose script has just ended', () => {
    const [a, b, c, again] = [job('a'), job('b'), job('c'), job('a')]
    const hand = holding(a, b, c, again)
    expect(hand.takeNext()).toBe(a)
    expect(hand.takeNext()).toBe(b)
    hand.ended(a)
    expect(hand.takeNext()).toBe(again)
  })

  it('is one of a project that does not run here, before one that does', () => {
    const [a, again, b] = [job('a'), job('a'), job('b')]
    const hand = holding(a, again, b)
    expect(hand.takeNext()).toBe(a)
    expect(hand.takeNext()).toBe(b)
    expect(hand.takeNext()).toBe(again)
  })

  it('counts each script of a project that runs here', () => {
    const [a, again, third, b] = [job('a'), job('a'), job('a'), job('b')]
    const hand = holding(a, again)
    hand.takeNext()
    hand.takeNext()
    hand.ended(a)
    hand.ended(job('other'))
    hand.add([third, b])
    expect(hand.takeNext()).toBe(b)
  })

  it('never overtakes one of a higher priority', () => {
    const [a, urgent, b] = [job('a'), job('a', { priority: 1 }), job('b')]
    const hand = holding(a)
    hand.takeNext()
    hand.add([urgent, b])
    expect(hand.takeNext()).toBe(urgent)
  })

  it('never overtakes one that has waited for long', () => {
    const [a, old, b] = [job('a'), job('a', { ageMs: 151 }), job('b')]
    const hand = holding(a, old, b)
    hand.takeNext()
    expect(hand.takeNext()).toBe(old)
  })

  it('leaves those that are young when the old ones go', () => {
    const [old, young] = [job('a', { ageMs: 100 }), job('b', { ageMs: 99 })]
    const hand = holding(young, old)
    expect(hand.takeOlderThan(100)).toEqual([old])
    expect(hand.takeNext()).toBe(young)
  })
})
