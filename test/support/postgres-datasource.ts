/** Postgres datasources for tests, closed when the work is done. */
import {
  type PostgresDatasource,
  openPostgresDatasource,
} from '../../src/core/datasources/postgres/index.ts'
import type { RowOptions } from '../../src/core/duckdb/index.ts'
import { never } from './duckdb.ts'

export function openTestDatasource(
  connection: string,
  statementTimeoutMs = 30_000,
): PostgresDatasource {
  return openPostgresDatasource({
    connection,
    label: 'datasource "test"',
    statementTimeoutMs,
    applicationName: 'kiln test datasource',
  })
}

export async function datasourceRows(
  datasource: PostgresDatasource,
  sql: string,
  params: readonly unknown[] = [],
  options: RowOptions = {},
): Promise<Record<string, unknown>[]> {
  return JSON.parse(await datasource.query(sql, params, options, never)) as Record<
    string,
    unknown
  >[]
}
