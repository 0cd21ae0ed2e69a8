import type { Clock } from '../os/index.ts'

/** A cached value may take at most this share of the time it is kept. */
const mostLoad = 1 / 20

/**
 * Wraps a read so that callers at the same time share one, and later ones get its value until it is
 * `ttlMs` old, or longer when the read was slow: whoever asks, and how often, cannot load the
 * database. Failures are not kept.
 */
export function cached<T>(
  clock: Pick<Clock, 'monotonic'>,
  ttlMs: number,
  read: () => Promise<T>,
): () => Promise<T> {
  let kept: { readonly value: T; readonly until: number } | undefined
  let underWay: Promise<T> | undefined
  const readOnce = async (): Promise<T> => {
    const startedAt = clock.monotonic()
    try {
      const value = await read()
      const now = clock.monotonic()
      kept = { value, until: now + Math.max(ttlMs, (now - startedAt) / mostLoad) }
      return value
    } finally {
      underWay = undefined
    }
  }
  return async () => {
    if (kept && clock.monotonic() < kept.until) return kept.value
    return (underWay ??= readOnce())
  }
}
