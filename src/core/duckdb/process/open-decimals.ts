import type { DuckDBConnection } from '@duckdb/node-api'
import type { CsvColumn, CsvPart } from '../contract.ts'
import { fieldName, readCsv } from './read-csv.ts'
import { Refusal } from './refusal.ts'

/**
 * A numeric without declared digits holds any: the digits that came decide, as the narrowest
 * DECIMAL(38, scale) that keeps all of them. More than 38 in all, or NaN, is refused.
 */
export async function settleDecimals(
  connection: DuckDBConnection,
  parts: readonly CsvPart[],
  columns: readonly CsvColumn[],
): Promise<readonly CsvColumn[]> {
  const open = columns.flatMap((column, index) => (column.isOpenDecimal ? [index] : []))
  if (open.length === 0) return columns
  const measures = open.flatMap((index) => {
    const field = fieldName(index)
    return [
      `coalesce(max(length(split_part(${field}, '.', 2))), 0)`,
      `coalesce(max(length(ltrim(split_part(${field}, '.', 1), '-'))), 0)`,
      `count(*) filter (not regexp_full_match(${field}, '-?[0-9]+(\\.[0-9]+)?'))`,
    ]
  })
  const sql = `select ${measures.join(', ')} from ${readCsv(parts, columns)}`
  const row = (await (await connection.run(sql)).getRows())[0] ?? []
  const settled = [...columns]
  for (const [order, index] of open.entries()) {
    const [scale = 0, whole = 0, odd = 0] = row.slice(order * 3, order * 3 + 3).map(Number)
    const column = columns[index] as CsvColumn
    refuse(column, { scale, whole, odd })
    settled[index] = { ...column, expression: `$field::decimal(38, ${scale})` }
  }
  return settled
}

function refuse(
  { name }: CsvColumn,
  { scale, whole, odd }: { readonly scale: number; readonly whole: number; readonly odd: number },
): void {
  const column = `column ${JSON.stringify(name)}`
  if (odd > 0) throw new Refusal(`${column} has NaN or infinity: cast it to float8 or text`)
  if (whole + scale <= 38) return
  throw new Refusal(
    `${column} needs ${whole + scale} digits, DECIMAL has 38: cast it to numeric(38, s), float8 or text`,
  )
}
