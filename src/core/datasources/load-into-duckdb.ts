import { randomUUID } from 'node:crypto'
import { chown, rm } from 'node:fs/promises'
import path from 'node:path'
import type { DuckdbProcess } from '../duckdb/index.ts'
import type { PostgresDatasource } from './postgres/index.ts'

export interface LoadIntoDuckdb {
  readonly duckdb: DuckdbProcess
  /** The DuckDB process' own folder; the rows lie there for a moment. */
  readonly folder: string
  /** The account the DuckDB process runs as, if not ours. */
  readonly uid?: number
  readonly sql: string
  readonly params: readonly unknown[]
  /** The table to create; one that exists is an error. */
  readonly table: string
}

/**
 * Loads a query's rows from Postgres into a new DuckDB table, exactly or not at all: COPY to a file
 * in the job's folder, `read_csv` with the types of the columns, row counts compared.
 *
 * @throws KilnError DATASOURCE_ERROR, naming the column whose values cannot be carried over.
 */
export async function loadIntoDuckdb(
  postgres: PostgresDatasource,
  { duckdb, folder, uid, sql, params, table }: LoadIntoDuckdb,
  signal: AbortSignal,
): Promise<{ rowCount: number }> {
  const file = path.join(folder, `load-${randomUUID()}.csv`)
  try {
    const copy = await postgres.copyToCsvFile(sql, params, file, signal)
    if (uid !== undefined) await chown(file, uid, uid)
    const { columns, rowCount, maxRowBytes } = copy
    return await duckdb.loadCsv({ path: file, table, columns, rowCount, maxRowBytes }, signal)
  } finally {
    await rm(file, { force: true })
  }
}
