import type { ClientConfig } from 'pg'
import type { CsvPart, RowOptions, RowStream } from '../../duckdb/index.ts'

export interface PostgresDatasourceOptions {
  /** A URL or the driver's own configuration; never quoted in an error. */
  readonly connection: string | ClientConfig
  /** How messages call it, such as `datasource "orders"`. */
  readonly label: string
  readonly statementTimeoutMs: number
  readonly connectTimeoutMs?: number
  /** Shown in pg_stat_activity. */
  readonly applicationName: string
}

export interface CsvTarget {
  /** An existing folder; the files in it are new and of mode 0600. */
  readonly folder: string
  /** The files' names begin with it. */
  readonly name: string
  /** Called for each file when it is complete; there is one at least, also without rows. */
  readonly onPart: (part: CsvPart) => void
}

/**
 * One job's access to one Postgres datasource. Connects when first used; nothing of a session
 * outlives `close`. Rejects with KilnError DATASOURCE_UNAVAILABLE when the server cannot be
 * reached, DATASOURCE_ERROR when it or Kiln refuses the statement, and with the signal's reason
 * when aborted (the statement is cancelled on the server too).
 */
export interface PostgresDatasource {
  /** JSON text of the array of rows; the mapping is in docs/datasources.md. */
  query(
    sql: string,
    params: readonly unknown[],
    options: RowOptions,
    signal: AbortSignal,
  ): Promise<string>
  stream(
    sql: string,
    params: readonly unknown[],
    options: RowOptions & { readonly batchSize: number },
    signal: AbortSignal,
  ): Promise<RowStream>
  /** Copies the rows of a query to CSV files, with the types DuckDB needs to read them exactly. */
  copyToCsv(
    sql: string,
    params: readonly unknown[],
    target: CsvTarget,
    signal: AbortSignal,
  ): Promise<{ rowCount: number }>
  /** Ends every connection; safe to repeat. */
  close(): Promise<void>
}
