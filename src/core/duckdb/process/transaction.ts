import type { DuckDBConnection } from '@duckdb/node-api'

export async function inTransaction<T>(
  connection: DuckDBConnection,
  work: () => Promise<T>,
): Promise<T> {
  await connection.run('begin transaction')
  try {
    const result = await work()
    await connection.run('commit')
    return result
  } catch (error) {
    // An error that aborts the transaction may already have ended it.
    await connection.run('rollback').catch(() => undefined)
    throw error
  }
}

export async function scalar(connection: DuckDBConnection, sql: string): Promise<unknown> {
  const rows = await (await connection.run(sql)).getRows()
  return rows[0]?.[0] ?? null
}
