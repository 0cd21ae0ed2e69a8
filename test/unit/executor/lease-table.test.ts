import { describe, expect, it } from 'vitest'
import { LeaseTable } from '../../../src/core/executor/lease-table.ts'

const held = (jobId: string, leaseToken: string) => ({ lease: { jobId, leaseToken } })

describe('the leases of an executor', () => {
  it('lets the row of a claim go with the last of its jobs', () => {
    const table = new LeaseTable()
    const [first, second, other] = [held('a', 't'), held('b', 't'), held('c', 'u')]
    for (const holder of [first, second, other]) table.add(holder)
    table.remove(first, true)
    expect(table.takeEndedTokens()).toEqual([])
    table.remove(second, true)
    expect(table.snapshot()).toEqual({ leases: [other.lease], endedTokens: ['t'] })
    // Given once, unless the statement that deletes it failed.
    expect(table.takeEndedTokens()).toEqual([])
    table.giveBack(['t'])
    expect(table.takeEndedTokens()).toEqual(['t'])
  })

  it('keeps the row of a claim one of whose jobs may still be running for the database', () => {
    const table = new LeaseTable()
    const [ended, unknown] = [held('a', 't'), held('b', 't')]
    table.add(ended)
    table.add(unknown)
    table.remove(unknown, false)
    table.remove(ended, true)
    expect(table.snapshot()).toEqual({ leases: [], endedTokens: [] })
  })

  it('tells a lost job from the same job claimed again', () => {
    const table = new LeaseTable()
    const [lost, again] = [held('a', 't'), held('a', 'u')]
    table.add(lost)
    table.add(again)
    expect(table.named(['a t'])).toEqual([lost])
  })
})
