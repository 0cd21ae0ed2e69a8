import type { DuckDBConnection } from '@duckdb/node-api'
import type { Statement } from '../protocol.ts'
import { quoteIdentifier, quoteTableName } from './identifiers.ts'
import { prepareStatement } from './prepare-statement.ts'
import { type Transaction, inTransaction, scalar } from './transaction.ts'

export interface LoadQuery extends Statement {
  readonly table: string
  readonly catalog?: string
}

/** Where tables are made, and how the making is kept apart. */
export interface LoadPlace {
  readonly database: 'memory' | 'project'
  readonly transaction: Transaction
}

/**
 * Creates a table of the job's own database from a query over an attached database or a view. The
 * query is checked alone first, so that it cannot close the parenthesis it is put into.
 */
export async function loadQuery(
  connection: DuckDBConnection,
  { sql, params, table, catalog }: LoadQuery,
  { database, transaction }: LoadPlace,
): Promise<{ rowCount: number }> {
  const name = catalog === undefined ? quoteTableName(table) : ownName(database, table)
  const query = sql.replace(/[;\s]+$/, '')
  // Names in the query are looked up in the datasource, the table is made beside it.
  if (catalog !== undefined) await connection.run(`use ${quoteIdentifier(catalog)}`)
  try {
    const checked = await prepareStatement(connection, query, params)
    checked.destroySync()
    return await inTransaction(connection, transaction, async () => {
      const create = `create table ${name} as (\n${query}\n)`
      await (await prepareStatement(connection, create, params)).run()
      return { rowCount: Number(await scalar(connection, `select count(*) from ${name}`)) }
    })
  } finally {
    if (catalog !== undefined) await useAgain(connection, database)
  }
}

/** In a transaction that was aborted it fails, and no name will be looked up any more. */
async function useAgain(connection: DuckDBConnection, database: string): Promise<void> {
  await connection.run(`use ${database}`).catch(() => undefined)
}

function ownName(database: string, table: string): string {
  const quoted = quoteTableName(table)
  return /^"(?:[^"]|"")+"$/.test(quoted) ? `${database}.main.${quoted}` : quoted
}
