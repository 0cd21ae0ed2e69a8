import type { Json, JsonObject, ValueOutput } from '../output/output.ts'
import { renderCsv } from '../output/csv.ts'
import { plainText } from '../output/render.ts'
import { renderTable } from '../output/table.ts'

/** Rows of a result that is a table: an array of objects, itself or as the only array of an object. */
function rowsOf(result: Json): readonly JsonObject[] | undefined {
  if (isRows(result)) return result
  if (!isObject(result)) return undefined
  const arrays = Object.values(result).filter(isRows)
  return arrays.length === 1 ? arrays[0] : undefined
}

const isObject = (value: Json): value is JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

const isRows = (value: Json): value is readonly JsonObject[] =>
  Array.isArray(value) && value.length > 0 && value.every(isObject)

/** A result as a table, with the fields around the rows above it; undefined when it is none. */
export function resultTable(resultText: string): string | undefined {
  const result = JSON.parse(resultText) as Json
  const rows = rowsOf(result)
  if (!rows) return undefined
  const table = renderTable(keysOf(rows), cellsOf(rows))
  if (!isObject(result)) return table
  const around = Object.entries(result)
    .filter(([, value]) => value !== rows)
    .map(([key, value]) => `${key}: ${plainText(value)}`)
  return [...around, ...(around.length > 0 ? [''] : []), table].join('\n')
}

/** A result as CSV; undefined when it has no rows. */
export function resultCsv(resultText: string): string | undefined {
  const rows = rowsOf(JSON.parse(resultText) as Json)
  return rows && renderCsv(keysOf(rows), cellsOf(rows))
}

const keysOf = (rows: readonly JsonObject[]) => [
  ...new Set(rows.flatMap((row) => Object.keys(row))),
]

const cellsOf = (rows: readonly JsonObject[]) => {
  const keys = keysOf(rows)
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
