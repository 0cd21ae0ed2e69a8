import { setTimeout as delay } from 'node:timers/promises'

/** Between two looks: at first what a person would call at once; later the waiting costs others time. */
const [firstPauseMs, longestPauseMs] = [10, 75]

/**
 * Resolves with what the condition gives once it is truthy; fails naming what was waited for. The
 * limit is generous, since a slow machine must not fail a test; nothing may assert on its length.
 */
export async function waitUntil<T>(
  description: string,
  condition: () => T | Promise<T>,
  timeoutMs = 60_000,
): Promise<NonNullable<T>> {
  const deadline = performance.now() + timeoutMs
  for (let pauseMs = firstPauseMs; ; pauseMs = Math.min(1.3 * pauseMs, longestPauseMs)) {
    const value = await condition()
    if (value) return value
    if (performance.now() > deadline) {
      throw new Error(`waited ${timeoutMs / 1000} s in vain until ${description}`)
    }
    await delay(pauseMs)
  }
}
