import { printable } from '../../core/units/printable.ts'
import { columnsOf, resultRows } from '../../core/results/index.ts'
import type { Json, JsonObject, ValueOutput } from '../output/output.ts'
import { renderCsv } from '../output/csv.ts'
import { plainText } from '../output/render.ts'
import { renderTable } from '../output/table.ts'

/** Rows to show; nothing is shown of a table without any. */
function rowsOf(result: Json): readonly JsonObject[] | undefined {
  const rows = resultRows(result) as readonly JsonObject[] | undefined
  return rows && rows.length > 0 ? rows : undefined
}

const isObject = (value: Json): value is JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/** A result as a table, with the fields around the rows above it; undefined when it is none. */
export function resultTable(resultText: string): string | undefined {
  const result = JSON.parse(resultText) as Json
  const rows = rowsOf(result)
  if (!rows) return undefined
  const table = renderTable(columnsOf(rows), cellsOf(rows))
  if (!isObject(result)) return table
  const around = Object.entries(result)
    .filter(([, value]) => value !== rows)
    .map(([key, value]) => printable(`${key}: ${plainText(value)}`))
  return [...around, ...(around.length > 0 ? [''] : []), table].join('\n')
}

/** A result as CSV; undefined when it has no rows. */
export function resultCsv(resultText: string): string | undefined {
  const rows = rowsOf(JSON.parse(resultText) as Json)
  return rows && renderCsv(columnsOf(rows), cellsOf(rows))
}

const cellsOf = (rows: readonly JsonObject[]) => {
  const keys = columnsOf(rows)
  return rows.map((row) => keys.map((key) => plainText(row[key])))
}

/** A job's result as output: a table for a person when it has rows, else the JSON as it is. */
export function resultOutput(jobId: string, resultText: string, asTable: boolean): ValueOutput {
  const table = asTable ? resultTable(resultText) : undefined
  const csv = resultCsv(resultText)
  return {
    kind: 'value',
    json: resultText,
    name: jobId,
    ...(table === undefined ? {} : { text: table }),
    ...(csv === undefined ? {} : { csv }),
  }
}
