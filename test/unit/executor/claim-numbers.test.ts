import { expect, it } from 'vitest'
import { ClaimNumbers } from '../../../src/core/executor/claim-numbers.ts'

it('counts a claim as settled when it and all before it have ended', async () => {
  const claims = new ClaimNumbers()
  expect(claims.settledBelow).toBe(1)
  const first = Promise.withResolvers<void>()
  const second = Promise.withResolvers<void>()
  const numbers: number[] = []
  const runs = [first, second].map(({ promise }) =>
    claims.run((number) => {
      numbers.push(number)
      return promise
    }),
  )
  expect(numbers).toEqual([1, 2])
  expect(claims.settledBelow).toBe(1)
  second.resolve()
  await runs[1]
  expect(claims.settledBelow).toBe(1)
  first.reject(new Error('lost'))
  await expect(runs[0]).rejects.toThrow('lost')
  expect(claims.settledBelow).toBe(3)
  await claims.whenIdle()
})
