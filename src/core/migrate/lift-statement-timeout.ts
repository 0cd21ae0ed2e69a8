import { errorCodeOf } from '../errors/index.ts'
import type { Session } from './session.ts'

/** It takes microseconds: whoever cancels so many in a row is not its own timeout. */
const maxTries = 100

/**
 * Ends the statement timeout that a migration has left to the session. One of a millisecond may
 * cancel this very statement where the server is busy, so that it is repeated. Not for use within a
 * transaction, which would have failed with it.
 */
export async function liftStatementTimeout(session: Session): Promise<void> {
  for (let tries = 1; ; tries += 1) {
    try {
      await session.query('set statement_timeout = 0')
      // A cancel that came too late for the one before hits the next statement.
      await session.query('select 1')
      return
    } catch (error) {
      if (!isCancelled(error) || tries >= maxTries) throw error
    }
  }
}

/** query_canceled: by a timeout, or by somebody. */
export function isCancelled(error: unknown): boolean {
  return errorCodeOf(error) === '57014'
}
