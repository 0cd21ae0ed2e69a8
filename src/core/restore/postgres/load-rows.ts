import { Transform } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { from as copyFrom } from 'pg-copy-streams'
import { errorCodeOf, isKilnError, KilnError, messageOf } from '../../errors/index.ts'
import {
  databaseError,
  isConnectionLost,
  isDatabaseError,
  isPassing,
} from '../../database/index.ts'
import { type RestoreSession, quoted } from './session.ts'
import type { RowsPart, TableRows } from './table-rows.ts'

export interface LoadTarget {
  readonly schema: string
  readonly signal: AbortSignal
  /** Called with the bytes that went to the server since the last call. */
  readonly onBytes?: ((bytes: number) => void) | undefined
}

/**
 * Loads one part of a table's rows, whole or not at all, and returns how many there were.
 *
 * @throws KilnError BACKUP_DATA_INVALID for a row that the table refuses, what reading the part
 * throws, DATABASE_CONNECTION_FAILED when the server takes nothing for as long as it may be silent.
 */
export async function loadRows(
  session: RestoreSession,
  rows: Pick<TableRows, 'table' | 'columns' | 'format'>,
  part: RowsPart,
  { schema, signal, onBytes }: LoadTarget,
): Promise<number> {
  const columns = rows.columns.map(quoted).join(', ')
  const copy = copyFrom(
    `copy ${quoted(schema)}.${quoted(rows.table)} (${columns}) from stdin (format ${rows.format})`,
  )
  const { limitMs } = session.watch
  let isSilent = false
  const watchdog = setTimeout(() => {
    isSilent = true
    copy.destroy(new Error('the database took no more rows'))
    // The driver waits for an answer that does not come.
    session.client.connection.stream.destroy()
  }, limitMs)
  const meter = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      watchdog.refresh()
      onBytes?.(chunk.length)
      done(null, chunk)
    },
  })
  try {
    session.client.query(copy)
    await pipeline(part.open(), meter, copy, { signal })
    return copy.rowCount
  } catch (error) {
    signal.throwIfAborted()
    if (isSilent) {
      throw new KilnError(
        'DATABASE_CONNECTION_FAILED',
        `connection failed: ${session.target.label} took no rows for ${limitMs / 1000} s`,
        { hint: 'check the network, then try again', cause: error },
      )
    }
    throw explain(error, rows.table, part, session)
  } finally {
    clearTimeout(watchdog)
  }
}

/** What refuses a row is the data's fault; the server says in which line and column. */
function explain(error: unknown, table: string, part: RowsPart, session: RestoreSession): unknown {
  if (isKilnError(error) || !isDatabaseError(error)) return error
  const code = errorCodeOf(error) ?? ''
  if (isConnectionLost(error) || isPassing(error) || code === '42501') {
    return databaseError(error, session.target.label)
  }
  const where = contextOf(error)
  return new KilnError(
    'BACKUP_DATA_INVALID',
    `${part.name}: ${table} refuses a row: ${messageOf(error)}${where === undefined ? '' : ` (${where})`}`,
    {
      hint: 'nothing was changed; correct the row, or use another backup',
      details: { table, sqlstate: code },
      cause: error,
    },
  )
}

/** `COPY analysis_jobs, line 3, column status`, without the row itself: it may hold anything. */
function contextOf(error: unknown): string | undefined {
  const where = (error as { where?: unknown }).where
  return typeof where === 'string'
    ? /^COPY [^,]+, line \d+(, column [^:]+)?/.exec(where)?.[0]
    : undefined
}
