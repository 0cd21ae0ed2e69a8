import { renderCsv } from './csv.ts'
import type { Json, JsonObject, ListOutput, Output, RecordOutput } from './output.ts'
import { printable, printableLines } from '../../core/units/printable.ts'
import { renderTable } from './table.ts'

export const formats = ['table', 'wide', 'json', 'jsonl', 'csv', 'name'] as const
export type Format = (typeof formats)[number]

/** The text of an output in a format, without the final line break; empty when there is nothing. */
export function render(output: Output, format: Format): string {
  switch (output.kind) {
    case 'list':
      return renderList(output, format)
    case 'record':
      return renderRecord(output, format)
    case 'value':
      if (format === 'name') return output.name
      if (format === 'csv') return output.csv ?? output.json
      if (format === 'json' || format === 'jsonl') return output.json
      return output.text ?? printableLines(JSON.stringify(JSON.parse(output.json), null, 2))
  }
}

/** Whether that text is JSON, also where it was not asked for by name. */
export function isJsonText(output: Output, format: Format): boolean {
  if (format === 'json' || format === 'jsonl') return true
  if (output.kind !== 'value' || format === 'name') return false
  if (format === 'csv') return output.csv === undefined
  return output.text === undefined || Boolean(output.isTextJson)
}

function renderList(output: ListOutput, format: Format): string {
  const { items } = output
  switch (format) {
    case 'json':
      return JSON.stringify({ ...output.summary, items, next_cursor: output.nextCursor ?? null })
    case 'jsonl':
      return items.map((item) => JSON.stringify(item)).join('\n')
    case 'name':
      return items
        .map(output.name)
        .filter((name) => name !== '')
        .join('\n')
    case 'csv': {
      const keys = [...new Set(items.flatMap((item) => Object.keys(item)))]
      return renderCsv(
        keys,
        items.map((item) => keys.map((key) => plainText(item[key]))),
      )
    }
    case 'table':
    case 'wide': {
      if (items.length === 0) return ''
      if (output.lines) return output.lines.join('\n')
      const columns = output.columns.filter((column) => format === 'wide' || !column.isWide)
      return renderTable(
        columns.map((column) => column.header),
        items.map((item) => columns.map((column) => column.text(item))),
      )
    }
  }
}

function renderRecord(output: RecordOutput, format: Format): string {
  const { record } = output
  switch (format) {
    case 'json':
    case 'jsonl':
      return JSON.stringify(record)
    case 'name':
      return output.name
    case 'csv':
      return renderCsv(Object.keys(record), [Object.values(record).map(plainText)])
    case 'table':
    case 'wide': {
      if (output.text !== undefined) return printableLines(output.text)
      const fields = output.fields ?? Object.entries(record).map(labelled)
      const width = Math.max(0, ...fields.map(([label]) => label.length))
      return fields
        .map(([label, text]) => `${label.padEnd(width)}  ${printable(text)}`.trimEnd())
        .join('\n')
    }
  }
}

const labelled = ([key, value]: [string, Json]): readonly [string, string] => [
  key.replaceAll('_', ' '),
  plainText(value),
]

/** A JSON value in a cell: text bare, nothing empty, the rest as JSON. */
export function plainText(value: Json | undefined): string {
  if (value === undefined || value === null) return ''
  return typeof value === 'object' ? JSON.stringify(value) : String(value)
}

/** Column that shows a field as it is. */
export function field(header: string, key: string, isWide = false) {
  return { header, isWide, text: (item: JsonObject) => plainText(item[key]) }
}
