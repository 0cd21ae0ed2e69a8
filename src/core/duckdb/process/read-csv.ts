import type { CsvColumn, CsvPart } from '../contract.ts'
import { quoteText } from './identifiers.ts'

/** Field names inside `read_csv`: the real ones may be anything, also equal but for their case. */
export const fieldName = (index: number): string => `f${index + 1}`

/** The table function that reads these parts, which share the types of their fields. */
export function readCsv(parts: readonly CsvPart[], columns: readonly CsvColumn[]): string {
  const files = parts.map(({ path }) => quoteText(path))
  const types = columns.map((column, index) => `${fieldName(index)}: ${quoteText(column.readAs)}`)
  // The reader refuses longer lines. Its own choice of buffer, 16 lines of 2 MB for each thread,
  // is a third of the memory a job has.
  const maxLine = Math.max(2_000_000, ...parts.map(({ maxRowBytes }) => maxRowBytes + 16))
  return [
    `read_csv([${files.join(', ')}]`,
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

export function expressionOf(column: CsvColumn, index: number): string {
  return column.expression?.replaceAll('$field', fieldName(index)) ?? fieldName(index)
}
