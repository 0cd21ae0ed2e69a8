import { setTimeout as delay } from 'node:timers/promises'

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
  for (;;) {
    const value = await condition()
    if (value) return value
    if (performance.now() > deadline) {
      throw new Error(`waited ${timeoutMs / 1000} s in vain until ${description}`)
    }
    await delay(10)
  }
}
