import type { DuckDBConnection } from '@duckdb/node-api'
import type { CsvColumn, CsvPart } from '../contract.ts'
import { quoteIdentifier, quoteTableName } from './identifiers.ts'
import { nameColumn } from './name-column.ts'
import { settleDecimals } from './open-decimals.ts'
import { expressionOf, readCsv } from './read-csv.ts'
import { Refusal } from './refusal.ts'
import { type Transaction, scalar } from './transaction.ts'

/**
 * A table that grows by CSV files within one transaction, so that reading them goes on while the
 * next ones are written. The row count of the writer is the proof that every row arrived: DuckDB
 * reads a file that was cut off without an error.
 */
export class CsvTable {
  readonly #table: string
  readonly #transaction: Transaction
  #isCreated = false
  /** Kept back while the type of a column depends on all of the rows. */
  readonly #waiting: CsvPart[] = []

  constructor(table: string, transaction: Transaction) {
    this.#table = quoteTableName(table)
    this.#transaction = transaction
  }

  async begin(connection: DuckDBConnection): Promise<void> {
    await this.#transaction.begin(connection)
  }

  async add(connection: DuckDBConnection, part: CsvPart): Promise<void> {
    if (part.columns.some((column) => column.isOpenDecimal)) this.#waiting.push(part)
    else await this.#read(connection, [part], part.columns)
  }

  async finish(connection: DuckDBConnection, rowCount: number): Promise<{ rowCount: number }> {
    const [first] = this.#waiting
    if (first) {
      const columns = await settleDecimals(connection, this.#waiting, first.columns)
      for (const part of this.#waiting) {
        // Only what settled comes from the first part; a date before Christ may be in any.
        const own = part.columns.map((column, index) =>
          column.isOpenDecimal ? (columns[index] ?? column) : column,
        )
        await this.#read(connection, [part], own)
      }
    }
    const count = Number(await scalar(connection, `select count(*) from ${this.#table}`))
    if (count !== rowCount) {
      throw new Refusal(`${rowCount} rows were copied, ${count} arrived: nothing loaded`)
    }
    await this.#transaction.commit(connection)
    return { rowCount }
  }

  async rollBack(connection: DuckDBConnection): Promise<void> {
    await this.#transaction.rollBack(connection, this.#isCreated ? this.#table : undefined)
  }

  async #read(
    connection: DuckDBConnection,
    parts: readonly CsvPart[],
    columns: readonly CsvColumn[],
  ): Promise<void> {
    if (!this.#isCreated) refuseDuplicateNames(columns)
    const items = columns.map(
      (column, index) => `${expressionOf(column, index)} as ${quoteIdentifier(column.name)}`,
    )
    const rows = `select ${items.join(', ')} from ${readCsv(parts, columns)}`
    try {
      await connection.run(
        this.#isCreated
          ? `insert into ${this.#table} ${rows}`
          : `create table ${this.#table} as ${rows}`,
      )
      this.#isCreated = true
    } catch (error) {
      throw await nameColumn(connection, parts, columns, error)
    }
  }
}

/** DuckDB would rename the second without a word, and does not tell capitals from small letters. */
function refuseDuplicateNames(columns: readonly CsvColumn[]): void {
  const seen = new Set<string>()
  for (const { name } of columns) {
    if (seen.has(name.toLowerCase())) {
      throw new Refusal(`two columns are named ${JSON.stringify(name)}: give one an alias`)
    }
    seen.add(name.toLowerCase())
  }
}
