import { expect, test } from 'vitest'
import { cached } from '../../../src/core/metrics/index.ts'

/** A clock that stands still until told, and a read that takes `tookMs` of it. */
function setUp(tookMs: number) {
  let now = 0
  let reads = 0
  const read = cached({ monotonic: () => now }, 5000, async () => {
    now += tookMs
    reads += 1
    return reads
  })
  return { read, pass: (ms: number) => (now += ms) }
}

test('keeps a value until it is old', async () => {
  const { read, pass } = setUp(10)
  expect(await read()).toBe(1)
  pass(4999)
  expect(await read()).toBe(1)
  pass(1)
  expect(await read()).toBe(2)
})

test('keeps a value that was slow to get for longer', async () => {
  const { read, pass } = setUp(1000)
  await read()
  pass(19_999)
  expect(await read()).toBe(1)
  pass(1)
  expect(await read()).toBe(2)
})

test('callers at the same time share one read', async () => {
  const { read } = setUp(0)
  expect(await Promise.all([read(), read(), read()])).toEqual([1, 1, 1])
})

test('does not keep a failure', async () => {
  let isBroken = true
  const read = cached({ monotonic: () => 0 }, 5000, async () => {
    if (isBroken) throw new Error('away')
    return 'back'
  })
  await expect(read()).rejects.toThrow('away')
  isBroken = false
  expect(await read()).toBe('back')
})
