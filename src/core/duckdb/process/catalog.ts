import type { DuckDBConnection } from '@duckdb/node-api'
import type { ColumnInfo, TableInfo } from '../contract.ts'
import { ownSchema, quoteTableName } from './identifiers.ts'

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
