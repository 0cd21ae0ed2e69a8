import type { DuckDBConnection } from '@duckdb/node-api'
import type { DatabaseFingerprint, TableFingerprint } from '../contract.ts'
import { quoteIdentifier } from './identifiers.ts'
import { scalar } from './transaction.ts'

/**
 * Reads all rows of all tables of the project's database: their number and the sum of their hashes. A
 * sum, since equal rows would cancel each other out in an exclusive or.
 */
export async function fingerprint(connection: DuckDBConnection): Promise<DatabaseFingerprint> {
  const found = await (
    await connection.run(
      `select schema_name, table_name from duckdb_tables()
       where database_name = 'project' and not internal
       order by schema_name, table_name`,
    )
  ).getRows()
  const tables: TableFingerprint[] = []
  for (const [schema, name] of found) {
    const table = `project.${quoteIdentifier(String(schema))}.${quoteIdentifier(String(name))}`
    const [sums] = await (
      await connection.run(
        // A row as one value, so that a value counts with the column it is in.
        `select count(*)::varchar, coalesce(sum(hash("_kiln row")), 0)::varchar from ${table} "_kiln row"`,
      )
    ).getRows()
    const [rows, sum] = sums ?? []
    tables.push({
      schema: String(schema),
      name: String(name),
      rows: Number(rows),
      fingerprint: String(sum),
    })
  }
  const version = await scalar(connection, 'select version()')
  return { duckdbVersion: String(version), tables }
}
