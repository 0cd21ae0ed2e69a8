import { setTimeout as delay } from 'node:timers/promises'
import { isConflict } from './database-errors.ts'
import type { Queries } from './database.ts'

const tries = 5
/** Two that were ended for each other do not meet again at once. */
const longestDelayMs = 100

/**
 * Repeats a statement or a transaction that the server ended because it and another session waited for
 * each other's rows. Locks are taken in one order where that can be had; a cascade or a trigger goes its
 * own way. Nothing of an ended transaction stays, so that `work` need only leave things outside of the
 * database alone. Rejects with its error when it is another, or the fifth of these.
 */
export async function repeatOnConflict<T>(work: () => Promise<T>): Promise<T> {
  for (let triesLeft = tries - 1; ; triesLeft -= 1) {
    try {
      return await work()
    } catch (error) {
      if (triesLeft === 0 || !isConflict(error)) throw error
    }
    await delay(Math.random() * longestDelayMs)
  }
}

/** A transaction of which the same is true. */
export const repeatedTransaction = <T>(
  queries: Queries,
  work: (transaction: Queries) => Promise<T>,
): Promise<T> => repeatOnConflict(() => queries.transaction().execute(work))
