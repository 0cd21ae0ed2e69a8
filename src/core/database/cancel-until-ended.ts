import { setTimeout as delay } from 'node:timers/promises'

/** Between two requests; each pause is twice the one before. */
const [firstPauseMs, longestPauseMs] = [100, 2000]

/**
 * Asks the server by `cancel`, which never rejects, until `statement` has ended. Once is not enough: a
 * request that overtakes the statement finds the server's process idle, and is forgotten there
 * (`ProcessInterrupts` in src/backend/tcop/postgres.c of Postgres).
 */
export async function cancelUntilEnded(
  statement: Promise<unknown>,
  cancel: () => Promise<unknown>,
): Promise<void> {
  const ended = statement.then(
    () => true,
    () => true,
  )
  for (let pauseMs = firstPauseMs; ; pauseMs = Math.min(2 * pauseMs, longestPauseMs)) {
    await cancel()
    if (await Promise.race([ended, delay(pauseMs, false, { ref: false })])) return
  }
}
