import type { RowStream } from '../../duckdb/index.ts'
import type { RowText } from './row-text.ts'
import { executeRows } from './rows.ts'
import type { Session } from './session.ts'

/**
 * Rows of one query in batches, on a session of their own: the portal stays open in its
 * transaction, and the server produces the next batch when it is asked for.
 */
export async function openRowStream(options: {
  readonly session: Session
  readonly prepare: () => Promise<{ rows: RowText; bind: readonly (string | null)[] }>
  readonly batchSize: number
  readonly release: () => void
  readonly signal: AbortSignal
}): Promise<RowStream> {
  const { session, release } = options
  let isDone = false

  const finish = async (): Promise<void> => {
    if (isDone) return
    isDone = true
    try {
      await session.rollback()
    } finally {
      release()
    }
  }
  /** A failed call ends the stream: its transaction is of no use any more. */
  const orFinish = async <T>(work: () => Promise<T>): Promise<T> => {
    try {
      return await work()
    } catch (error) {
      await finish().catch(() => undefined)
      throw error
    }
  }

  const { rows, bind } = await orFinish(() => session.guard(options.signal, options.prepare))
  let hasMore = true
  let isBound = false
  return {
    next: async (signal) => {
      if (isDone || !hasMore) return null
      return await orFinish(async () => {
        hasMore = await session.guard(signal, () =>
          executeRows(session, rows, {
            ...(isBound ? {} : { bind }),
            maxRows: options.batchSize,
          }),
        )
        isBound = true
        if (rows.rowCount > 0) return rows.take()
        await finish()
        return null
      })
    },
    close: finish,
  }
}
