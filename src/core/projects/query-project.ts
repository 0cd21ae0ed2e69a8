import type { Context } from '../context.ts'
import { KilnError } from '../errors/index.ts'
import { formatDuration } from '../units/index.ts'
import { withProjectDatabase } from './open-project-database.ts'

export interface QueryProjectInput {
  readonly projectId: string
  readonly sql: string
  /** How long to wait while a job writes the database; 0: not at all. */
  readonly waitMs: number
}

/**
 * Runs one statement that reads the project's database, as a script's `ctx.duckdb.query` would: at most
 * `maxExportRows` rows, for at most `queryTimeoutMs`. Returns the JSON text of the array of rows.
 *
 * @throws KilnError DATASOURCE_ERROR when DuckDB refuses it, it takes too long or returns too much; and
 * what `withProjectDatabase` throws.
 */
export async function queryProject(
  context: Context,
  { projectId, sql, waitMs }: QueryProjectInput,
): Promise<string> {
  const { maxExportRows, queryTimeoutMs } = context.settings
  const input = { projectId, use: 'read', purpose: 'kiln duckdb query', waitMs } as const
  return withProjectDatabase(context, input, async (duckdb) => {
    const timeout = AbortSignal.timeout(queryTimeoutMs)
    try {
      return await duckdb.query(
        sql,
        [],
        { catalog: 'project', maxRows: maxExportRows },
        AbortSignal.any([timeout, context.signal]),
      )
    } catch (error) {
      if (!timeout.aborted || context.signal.aborted) throw error
      throw new KilnError(
        'DATASOURCE_ERROR',
        `the query took longer than ${formatDuration(queryTimeoutMs)}`,
        { hint: 'raise QUERY_TIMEOUT, or run it in an analysis' },
      )
    }
  })
}
