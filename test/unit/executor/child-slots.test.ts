import { expect, it, onTestFinished, vi } from 'vitest'
import { ChildSlots } from '../../../src/core/executor/child-slots.ts'

const never = new AbortController().signal
const settled = () => new Promise((resolve) => setImmediate(resolve))

function held() {
  const { promise, resolve } = Promise.withResolvers<void>()
  return { work: () => promise, end: resolve }
}

it('lets as many run as a level has places, in order, and levels apart', async () => {
  const slots = new ChildSlots(2)
  const begun: string[] = []
  const start = (level: number, name: string) => {
    const { work, end } = held()
    const done = slots.run(level, () => (begun.push(name), work()), never)
    return { end, done }
  }
  const [a, b, c, d] = ['a', 'b', 'c', 'd'].map((name) => start(1, name))
  const below = start(2, 'below')
  await settled()
  expect(begun).toEqual(['a', 'b', 'below'])
  a?.end()
  await a?.done
  await settled()
  expect(begun).toEqual(['a', 'b', 'below', 'c'])
  for (const one of [b, c, d, below]) {
    one?.end()
    await one?.done
  }
  expect(begun.at(-1)).toBe('d')
})

it('gives the place back when the work fails, and when who waits leaves', async () => {
  const slots = new ChildSlots(1)
  await expect(slots.run(1, () => Promise.reject(new Error('no')), never)).rejects.toThrow('no')
  const first = held()
  const running = slots.run(1, first.work, never)
  const leaving = new AbortController()
  const waiting = slots.run(1, () => Promise.resolve('ran'), leaving.signal)
  const next = slots.run(1, () => Promise.resolve('next'), never)
  leaving.abort(new Error('left'))
  await expect(waiting).rejects.toThrow('left')
  first.end()
  await running
  expect(await next).toBe('next')
  await expect(slots.run(1, () => Promise.resolve(), leaving.signal)).rejects.toThrow('left')
})

it('lets in one that has waited long, since what it waits for may wait for its ancestors', async () => {
  vi.useFakeTimers()
  onTestFinished(() => void vi.useRealTimers())
  const slots = new ChildSlots(1)
  const { signal } = new AbortController()
  const held = Promise.withResolvers<void>()
  const first = slots.run(1, () => held.promise, signal)
  const entered: string[] = []
  const waiting = ['a', 'b'].map((name) =>
    slots.run(1, () => Promise.resolve(entered.push(name)), signal),
  )
  await vi.advanceTimersByTimeAsync(4999)
  expect(entered).toEqual([])
  await vi.advanceTimersByTimeAsync(1)
  expect(entered).toEqual(['a'])
  held.resolve()
  await Promise.all([first, ...waiting])
  expect(entered).toEqual(['a', 'b'])
})
