import type { DuckDBConnection } from '@duckdb/node-api'
import type { CsvColumn, CsvPart } from '../contract.ts'
import { expressionOf, readCsv } from './read-csv.ts'
import { Refusal } from './refusal.ts'

/**
 * The error of a load with the column it is about. DuckDB names the field of the file, or nothing
 * at all where an expression over it failed, which trying one column at a time finds.
 */
export async function nameColumn(
  connection: DuckDBConnection,
  parts: readonly CsvPart[],
  columns: readonly CsvColumn[],
  error: unknown,
): Promise<unknown> {
  const message = error instanceof Error ? error.message : String(error)
  const field = /converting column "f(\d+)"\. (.*)/.exec(message)
  if (field) return valueRefusal(columns[Number(field[1]) - 1], field[2] ?? '')
  if (!/^(?:Conversion|Invalid Input) Error/.test(message)) return error
  // The failed statement has aborted the transaction, and with it the load.
  await connection.run('rollback').catch(() => undefined)
  for (const [index, column] of columns.entries()) {
    if (column.expression === undefined) continue
    const probe = `select count(${expressionOf(column, index)}) from ${readCsv(parts, columns)}`
    const failed = await connection.run(probe).then(
      () => false,
      () => true,
    )
    if (failed) return valueRefusal(column, message.split('\n', 1)[0] ?? '')
  }
  return error
}

function valueRefusal(column: CsvColumn | undefined, reason: string): Refusal {
  const name = JSON.stringify(column?.name ?? 'unknown')
  return new Refusal(`column ${name} has a value that cannot be loaded exactly: ${reason}`)
}
