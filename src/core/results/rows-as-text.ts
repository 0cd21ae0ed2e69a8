import { type ResultRow, columnsOf } from './result-rows.ts'

/**
 * Rows as CSV of RFC 4180, with line feeds. Nothing is an empty field, an empty text a quoted one;
 * lists and objects are JSON. A text that a spreadsheet would run as a formula gets an apostrophe in
 * front, by which spreadsheets know a text, unless `isRaw`: rows often hold what strangers typed.
 */
export function rowsAsCsv(
  rows: readonly ResultRow[],
  { isRaw }: { readonly isRaw: boolean },
): string {
  const columns = columnsOf(rows)
  const safe = (text: string): string => (isRaw ? text : withoutFormula(text))
  const lines = rows.map((row) => columns.map((name) => field(row[name], safe)).join(','))
  const header = columns.map((name) => field(name, safe)).join(',')
  return columns.length === 0 ? '' : `${[header, ...lines].join('\n')}\n`
}

export const rowsAsJson = (rows: readonly ResultRow[]): string =>
  rows.length === 0 ? '[]\n' : `[\n${rows.map((row) => JSON.stringify(row)).join(',\n')}\n]\n`

export const rowsAsJsonLines = (rows: readonly ResultRow[]): string =>
  rows.map((row) => `${JSON.stringify(row)}\n`).join('')

function field(value: unknown, safe: (text: string) => string): string {
  if (value === undefined || value === null) return ''
  if (typeof value !== 'string') {
    return quoted(typeof value === 'object' ? JSON.stringify(value) : String(value as number))
  }
  return value === '' ? '""' : quoted(safe(value))
}

const quoted = (text: string): string =>
  /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text

/** What starts a formula, also behind a tab or a line break. Numbers with a sign are none. */
const formula = /^[\t\r\n]*[=+\-@]|^[\t\r]/
const number = /^[+-]?\d+(\.\d+)?(e[+-]?\d+)?$/i

const withoutFormula = (text: string): string =>
  formula.test(text) && !number.test(text) ? `'${text}` : text
