import type { DuckDBConnection } from '@duckdb/node-api'
import type { DatabaseSizes, TableSize } from '../contract.ts'
import { ownSchema, quoteIdentifier, quoteText } from './identifiers.ts'
import { scalar } from './transaction.ts'

/** What the tables of the project's database take, largest first. Reads the catalogue only. */
export async function databaseSizes(connection: DuckDBConnection): Promise<DatabaseSizes> {
  const [size] = await (
    await connection.run(
      `select block_size, used_blocks, free_blocks from pragma_database_size()
       where database_name = 'project'`,
    )
  ).getRows()
  const [blockSize = 0, used = 0, free = 0] = (size ?? []).map(Number)
  const storage = await scalar(
    connection,
    `select tags['storage_version'] from duckdb_databases() where database_name = 'project'`,
  )
  return {
    storageVersion: typeof storage === 'string' ? storage : null,
    blockSizeBytes: blockSize,
    usedBlocks: used,
    freeBlocks: free,
    tables: await tableSizes(connection, blockSize),
  }
}

async function tableSizes(connection: DuckDBConnection, blockSize: number): Promise<TableSize[]> {
  const rows = await (
    await connection.run(
      `select schema_name, table_name, estimated_size, column_count from duckdb_tables()
       where database_name = 'project' and not internal and schema_name <> '${ownSchema}'`,
    )
  ).getRows()
  const tables: TableSize[] = []
  for (const [schema, name, rowCount, columnCount] of rows) {
    const full = `project.${quoteIdentifier(String(schema))}.${quoteIdentifier(String(name))}`
    const blocks = await scalar(
      connection,
      `select count(distinct block_id) from (
         select block_id from pragma_storage_info(${quoteText(full)}) where block_id >= 0
         union
         select unnest(additional_block_ids) from pragma_storage_info(${quoteText(full)}))`,
    )
    tables.push({
      schema: String(schema),
      name: String(name),
      rowCount: Number(rowCount),
      columnCount: Number(columnCount),
      sizeBytes: Number(blocks) * blockSize,
    })
  }
  return tables.sort((a, b) => b.sizeBytes - a.sizeBytes || a.name.localeCompare(b.name))
}
