import type { DuckDBConnection } from '@duckdb/node-api'
import { existsSync, statSync } from 'node:fs'
import path from 'node:path'
import type { ColumnInfo, TableInfo } from '../contract.ts'
import { ownSchema, quoteTableName, quoteText } from './identifiers.ts'
import { Refusal } from './refusal.ts'

export async function listTables(connection: DuckDBConnection): Promise<TableInfo[]> {
  const result = await connection.run(`
    select database_name, schema_name, table_name, 'table' as kind
      from duckdb_tables() where not internal and schema_name <> '${ownSchema}'
    union all
    select database_name, schema_name, view_name, 'view'
      from duckdb_views() where not internal
    order by 1, 2, 3`)
  const rows = await result.getRows()
  return rows.map(([database, schema, name, kind]) => ({
    database: String(database),
    schema: String(schema),
    name: String(name),
    kind: kind === 'view' ? 'view' : 'table',
  }))
}

export async function describeTable(
  connection: DuckDBConnection,
  table: string,
): Promise<ColumnInfo[]> {
  const rows = await (await connection.run(`describe ${quoteTableName(table)}`)).getRows()
  return rows.map(([name, type, nullable]) => ({
    name: String(name),
    type: String(type),
    isNullable: nullable !== 'NO',
  }))
}

const formats: Readonly<Record<string, string>> = {
  '.csv': 'format csv, header',
  '.json': 'format json, array true',
  '.jsonl': 'format json',
  '.parquet': 'format parquet, compression zstd',
}

/** Writes a table into a new file of the folder; the name is only a name, the format its extension. */
export async function exportTable(
  connection: DuckDBConnection,
  folder: string,
  { table, file }: { readonly table: string; readonly file: string },
): Promise<{ rowCount: number; path: string; sizeBytes: number }> {
  const format = formats[path.extname(file)]
  if (!/^[\w-][\w.-]*$/.test(file) || format === undefined) {
    throw new Refusal('export takes a plain file name that ends in .csv, .json, .jsonl or .parquet')
  }
  const target = path.join(folder, file)
  if (existsSync(target)) throw new Refusal(`the job has a file ${file} already`)
  const result = await connection.run(
    `copy (from ${quoteTableName(table)}) to ${quoteText(target)} (${format})`,
  )
  const rows = await result.getRows()
  return { rowCount: Number(rows[0]?.[0] ?? 0), path: target, sizeBytes: statSync(target).size }
}
