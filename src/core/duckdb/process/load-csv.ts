import type { DuckDBConnection } from '@duckdb/node-api'
import type { CsvColumn, LoadCsv } from '../contract.ts'
import { quoteIdentifier, quoteTableName, quoteText } from './identifiers.ts'
import { Refusal } from './refusal.ts'

/** Field names inside `read_csv`: the real ones may be anything, also equal but for their case. */
const fieldName = (index: number): string => `f${index + 1}`

/**
 * Creates the table from the CSV file, in one transaction, with the row count of the writer as the
 * proof that every row arrived: DuckDB reads a file that was cut off without an error.
 */
export async function loadCsv(
  connection: DuckDBConnection,
  load: LoadCsv,
): Promise<{ rowCount: number }> {
  return await inTransaction(connection, async () => {
    refuseDuplicateNames(load.columns)
    const columns = await settleDecimals(connection, load)
    const table = quoteTableName(load.table)
    const items = columns.map(
      (column, index) => `${expressionOf(column, index)} as ${quoteIdentifier(column.name)}`,
    )
    const create = `create table ${table} as select ${items.join(', ')} from ${readCsv(load, columns)}`
    try {
      await connection.run(create)
    } catch (error) {
      throw await nameColumn(connection, load, columns, error)
    }
    const count = await scalar(connection, `select count(*) from ${table}`)
    if (count !== BigInt(load.rowCount)) {
      throw new Refusal(
        `${load.rowCount} rows were copied, ${String(count)} arrived: nothing loaded`,
      )
    }
    return { rowCount: load.rowCount }
  })
}

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

/**
 * The error with the column it is about: DuckDB names the field of the file, or nothing at all
 * where an expression over it failed, which trying one column at a time finds.
 */
async function nameColumn(
  connection: DuckDBConnection,
  load: LoadCsv,
  columns: readonly CsvColumn[],
  error: unknown,
): Promise<unknown> {
  const message = error instanceof Error ? error.message : String(error)
  const field = /converting column "f(\d+)"\. (.*)/.exec(message)
  if (field) return valueRefusal(columns[Number(field[1]) - 1], field[2] ?? '')
  if (!/^(?:Conversion|Invalid Input) Error/.test(message)) return error
  // The failed statement has ended the transaction; nothing was made in it yet.
  await connection.run('rollback').catch(() => undefined)
  await connection.run('begin transaction')
  for (const [index, column] of columns.entries()) {
    if (column.expression === undefined) continue
    const probe = `select count(${expressionOf(column, index)}) from ${readCsv(load, columns)}`
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

function readCsv(load: LoadCsv, columns: readonly CsvColumn[]): string {
  const types = columns.map((column, index) => `${fieldName(index)}: ${quoteText(column.readAs)}`)
  // The reader refuses longer lines. Its own choice of buffer, 16 lines of 2 MB for each thread,
  // is a third of the memory a job has.
  const maxLine = Math.max(load.maxRowBytes + 16, 2_000_000)
  return [
    `read_csv(${quoteText(load.path)}`,
    'auto_detect = false',
    'header = false',
    "delim = ','",
    `quote = '"'`,
    `escape = '"'`,
    String.raw`nullstr = '\N'`,
    'allow_quoted_nulls = false',
    `max_line_size = ${maxLine}`,
    `buffer_size = ${Math.max(8_000_000, 2 * maxLine)}`,
    `columns = {${types.join(', ')}})`,
  ].join(', ')
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

function expressionOf(column: CsvColumn, index: number): string {
  return column.expression?.replaceAll('$field', fieldName(index)) ?? fieldName(index)
}

/**
 * A numeric without declared digits holds any: the digits that came decide, as the narrowest
 * DECIMAL(38, scale) that keeps all of them. More than 38 in all, or NaN, is refused.
 */
async function settleDecimals(
  connection: DuckDBConnection,
  load: LoadCsv,
): Promise<readonly CsvColumn[]> {
  const open = load.columns.flatMap((column, index) => (column.isOpenDecimal ? [index] : []))
  if (open.length === 0) return load.columns
  const measures = open.flatMap((index) => {
    const field = fieldName(index)
    return [
      `coalesce(max(length(split_part(${field}, '.', 2))), 0)`,
      `coalesce(max(length(ltrim(split_part(${field}, '.', 1), '-'))), 0)`,
      `count(*) filter (not regexp_full_match(${field}, '-?[0-9]+(\\.[0-9]+)?'))`,
    ]
  })
  const from = readCsv(load, load.columns)
  const row = (
    await (await connection.run(`select ${measures.join(', ')} from ${from}`)).getRows()
  )[0]
  const columns = [...load.columns]
  for (const [order, index] of open.entries()) {
    const [scale = 0, whole = 0, odd = 0] = (row ?? []).slice(order * 3, order * 3 + 3).map(Number)
    const column = load.columns[index] as CsvColumn
    const name = JSON.stringify(column.name)
    if (odd > 0) throw new Refusal(`column ${name} has NaN or infinity: cast it to float8 or text`)
    if (whole + scale > 38) {
      throw new Refusal(
        `column ${name} needs ${whole + scale} digits, DECIMAL has 38: cast it to numeric(38, s), float8 or text`,
      )
    }
    columns[index] = { ...column, expression: `$field::decimal(38, ${scale})` }
  }
  return columns
}
