import type { DuckDBConnection } from '@duckdb/node-api'

/** How a step that is done whole or not at all is kept apart from what surrounds it. */
export interface Transaction {
  begin(connection: DuckDBConnection): Promise<void>
  commit(connection: DuckDBConnection): Promise<void>
  /** `table`: what the step has created. */
  rollBack(connection: DuckDBConnection, table?: string): Promise<void>
}

/** A transaction of its own. */
export const ownTransaction: Transaction = {
  begin: async (connection) => void (await connection.run('begin transaction')),
  commit: async (connection) => void (await connection.run('commit')),
  rollBack: async (connection) => {
    // An error that aborts the transaction may already have ended it.
    await connection.run('rollback').catch(() => undefined)
  },
}

/** Inside the job's transaction, which goes on: DuckDB has no savepoints. */
export const partOfTransaction: Transaction = {
  begin: () => Promise.resolve(),
  commit: () => Promise.resolve(),
  rollBack: async (connection, table) => {
    // If the error has aborted the transaction nothing of it stays anyway.
    if (table !== undefined) await connection.run(`drop table ${table}`).catch(() => undefined)
  },
}

export async function inTransaction<T>(
  connection: DuckDBConnection,
  transaction: Transaction,
  work: () => Promise<T>,
): Promise<T> {
  await transaction.begin(connection)
  try {
    const result = await work()
    await transaction.commit(connection)
    return result
  } catch (error) {
    await transaction.rollBack(connection)
    throw error
  }
}

export async function scalar(connection: DuckDBConnection, sql: string): Promise<unknown> {
  const rows = await (await connection.run(sql)).getRows()
  return rows[0]?.[0] ?? null
}
