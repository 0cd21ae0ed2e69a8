import type { RowOptions, RowStream } from '../../duckdb/index.ts'
import { KilnError } from '../../errors/index.ts'
import { checkQuery } from './checked-sql.ts'
import type { PostgresDatasource, PostgresDatasourceOptions } from './contract.ts'
import { copyToCsv } from './copy-to-csv.ts'
import { parameterTexts } from './parameters.ts'
import { RowText } from './row-text.ts'
import { executeRows } from './rows.ts'
import { Session } from './session.ts'
import { openRowStream } from './row-stream.ts'
import { TypeCatalog } from './type-catalog.ts'

/** As much as an answer to a sandbox may hold. */
const defaultMaxBytes = 48 * 1024 * 1024

/**
 * Gives a job access to a Postgres datasource. Does not connect before it is used; calls at the
 * same time use a connection each, kept for the next call until `close`.
 */
export function openPostgresDatasource(options: PostgresDatasourceOptions): PostgresDatasource {
  const types = new TypeCatalog()
  const idle: Session[] = []
  const open = new Set<Session>()
  let isClosed = false

  const acquire = async (signal: AbortSignal): Promise<Session> => {
    if (isClosed) throw new KilnError('DATASOURCE_ERROR', `${options.label} is closed`)
    for (let session = idle.pop(); session; session = idle.pop()) {
      if (session.isOpen) return session
      open.delete(session)
    }
    const session = await Session.open(options, signal)
    open.add(session)
    return session
  }
  const release = (session: Session): void => {
    if (session.isOpen && !isClosed) idle.push(session)
    else {
      open.delete(session)
      session.end()
    }
  }
  const withSession = async <T>(
    signal: AbortSignal,
    work: (session: Session) => Promise<T>,
  ): Promise<T> => {
    const session = await acquire(signal)
    try {
      return await session.guard(signal, async () => {
        try {
          return await work(session)
        } finally {
          await session.rollback()
        }
      })
    } finally {
      release(session)
    }
  }

  return {
    query: async (sql, params, rowOptions, signal) => {
      checkQuery(sql)
      return await withSession(signal, async (session) => {
        const { rows, bind } = await prepareRows(session, types, { sql, params, rowOptions })
        const { maxRows } = rowOptions
        await executeRows(session, rows, { bind, maxRows: maxRows === undefined ? 0 : maxRows + 1 })
        refuseMore(rows.rowCount, maxRows)
        return rows.take()
      })
    },
    stream: async (sql, params, streamOptions, signal): Promise<RowStream> => {
      checkQuery(sql)
      const session = await acquire(signal)
      return await openRowStream({
        session,
        prepare: () => prepareRows(session, types, { sql, params, rowOptions: streamOptions }),
        batchSize: streamOptions.batchSize,
        release: () => release(session),
        signal,
      })
    },
    copyToCsv: async (sql, params, target, signal) =>
      await withSession(signal, (session) => copyToCsv(session, types, { sql, params, target })),
    close: async () => {
      isClosed = true
      for (const session of open) session.end()
      open.clear()
      idle.length = 0
    },
  }
}

async function prepareRows(
  session: Session,
  types: TypeCatalog,
  call: {
    readonly sql: string
    readonly params: readonly unknown[]
    readonly rowOptions: RowOptions
  },
): Promise<{ rows: RowText; bind: readonly (string | null)[] }> {
  const { parameters, fields } = await session.begin(call.sql)
  const bind = parameterTexts(call.params, parameters)
  const columns = await types.columns(session, fields)
  // The catalog's question took the place of the unnamed statement.
  if (fields.some((field) => !types.isBuiltin(field.typeId))) await session.describe(call.sql)
  const { exact = false, maxBytes = defaultMaxBytes } = call.rowOptions
  return { rows: new RowText(columns, exact, maxBytes), bind }
}

function refuseMore(rowCount: number, maxRows: number | undefined): void {
  if (maxRows === undefined || rowCount <= maxRows) return
  throw new KilnError(
    'DATASOURCE_ERROR',
    `the query returns more than ${maxRows} rows: add a limit, or use stream`,
  )
}
