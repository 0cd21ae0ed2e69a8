import type { ClientConfig } from 'pg'
import type { CsvColumn, RowOptions, RowStream } from '../../duckdb/index.ts'

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

export interface CsvCopy {
  readonly columns: readonly CsvColumn[]
  readonly rowCount: number
  readonly sizeBytes: number
  readonly maxRowBytes: number
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
  /** Copies the rows of a query to a new CSV file of mode 0600, with the types DuckDB needs. */
  copyToCsvFile(
    sql: string,
    params: readonly unknown[],
    path: string,
    signal: AbortSignal,
  ): Promise<CsvCopy>
  /** Ends every connection; safe to repeat. */
  close(): Promise<void>
}
