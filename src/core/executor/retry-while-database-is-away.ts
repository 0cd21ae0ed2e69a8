import { isLockTimeout, isPassing, isServerAway } from '../database/index.ts'
import { delay } from '../os/index.ts'

/** First and longest wait between tries; each is halved or left whole at random. */
const firstDelayMs = 100
const longestDelayMs = 5000

/** Tries of a statement that meets errors of the moment: some 20 s in all. */
const passingTries = 8

/**
 * Repeats a statement until the database takes it. A server that is away, read only or full and locks
 * of others are waited for as long as they last, deadlocks and timeouts a few times, other errors not
 * at all; the statement must be safe to repeat, since its commit may have come through while the reply did not.
 * Rejects with the reason of the signal when that is aborted first, and with the statement's error when
 * the limit is over.
 */
export async function retryWhileDatabaseIsAway<T>(
  work: () => Promise<T>,
  interruption: {
    readonly signal: AbortSignal
    /** How long it is waited for; as long as it takes unless told. */
    readonly awayLimitMs?: number | undefined
  },
): Promise<T> {
  let triesLeft = passingTries
  const { awayLimitMs = Number.POSITIVE_INFINITY } = interruption
  const startedAt = performance.now()
  for (let delayMs = firstDelayMs; ; delayMs = Math.min(delayMs * 2, longestDelayMs)) {
    try {
      return await work()
    } catch (error) {
      // Looked at only now: few statements fail, and each signal costs.
      if (interruption.signal.aborted) throw error
      if (!isServerAway(error) && !isLockTimeout(error)) {
        triesLeft -= 1
        if (!isPassing(error) || triesLeft === 0) throw error
      }
      if (performance.now() - startedAt >= awayLimitMs) throw error
    }
    await delay(delayMs * (0.5 + Math.random() / 2), interruption.signal)
  }
}
