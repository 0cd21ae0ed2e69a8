import { isConnectionLost } from '../database/index.ts'
import { delay } from '../os/index.ts'

/** First and longest wait between tries; each is halved or left whole at random. */
const firstDelayMs = 100
const longestDelayMs = 5000

/**
 * Repeats a statement until the database answers. Only connection losses are repeated; the
 * statement must be safe to repeat, since its commit may have come through while the reply did not.
 * Rejects with the signal's reason when that is aborted first.
 */
export async function retryWhileDatabaseIsAway<T>(
  work: () => Promise<T>,
  signal: AbortSignal,
): Promise<T> {
  for (let delayMs = firstDelayMs; ; delayMs = Math.min(delayMs * 2, longestDelayMs)) {
    try {
      return await work()
    } catch (error) {
      if (!isConnectionLost(error) || signal.aborted) throw error
    }
    await delay(delayMs * (0.5 + Math.random() / 2), signal)
  }
}
