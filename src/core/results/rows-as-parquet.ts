import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { type CsvColumn, startDuckdbProcess } from '../duckdb/index.ts'
import { KilnError } from '../errors/index.ts'
import { processEntry } from '../os/index.ts'
import { type ResultRow, columnsOf } from './result-rows.ts'

/** Results have at most 10 MB: this is plenty for DuckDB to write them. */
const memoryLimitBytes = 256 * 1024 ** 2

/**
 * Rows as a Parquet file, written by DuckDB in a process of its own. The type of a column is what all
 * of its values are: BOOLEAN, BIGINT, DOUBLE, else VARCHAR, with lists, objects and what is mixed as
 * JSON text. Nothing is guessed from texts.
 *
 * @throws KilnError RESULT_NOT_ROWS for rows without columns, DATASOURCE_ERROR for two columns whose
 *   names differ only in capitals.
 */
export async function rowsAsParquet(
  rows: readonly ResultRow[],
  signal: AbortSignal,
): Promise<Uint8Array> {
  const columns = columnsOf(rows)
  if (columns.length === 0) {
    throw new KilnError('RESULT_NOT_ROWS', 'the result has no columns, which Parquet needs', {
      hint: 'use --format csv, json or jsonl',
    })
  }
  const folder = await mkdtemp(path.join(tmpdir(), 'kiln-export-'))
  try {
    return await write(folder, rows, columns, signal)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

async function write(
  folder: string,
  rows: readonly ResultRow[],
  names: readonly string[],
  signal: AbortSignal,
): Promise<Uint8Array> {
  const columns = names.map((name): CsvColumn => ({ name, readAs: typeOf(rows, name) }))
  const lines = rows.map((row) =>
    columns.map((column) => field(row[column.name], column)).join(','),
  )
  const file = path.join(folder, 'rows.csv')
  await writeFile(file, lines.map((line) => `${line}\n`).join(''), { mode: 0o600 })

  const duckdb = await startDuckdbProcess(
    {
      folder,
      memoryLimitBytes,
      threads: 1,
      nodePath: process.execPath,
      entryPath: processEntry('duckdb'),
    },
    signal,
  )
  try {
    const load = await duckdb.beginLoad('rows', signal)
    const maxRowBytes = Math.max(...lines.map((line) => Buffer.byteLength(line)))
    await load.add({ path: file, columns, maxRowBytes }, signal)
    await load.finish(rows.length, signal)
    const exported = await duckdb.exportTable('rows', 'rows.parquet', signal)
    return await readFile(exported.path)
  } finally {
    await duckdb.stop()
  }
}

/** The narrowest type that all values of a column have. */
function typeOf(rows: readonly ResultRow[], name: string): string {
  const kinds = new Set(rows.map((row) => kindOf(row[name])))
  kinds.delete('nothing')
  if (kinds.size === 1 && kinds.has('boolean')) return 'BOOLEAN'
  if (kinds.size === 1 && kinds.has('integer')) return 'BIGINT'
  const isNumeric = [...kinds].every((kind) => kind === 'integer' || kind === 'number')
  return isNumeric && kinds.size > 0 ? 'DOUBLE' : 'VARCHAR'
}

function kindOf(value: unknown): 'nothing' | 'boolean' | 'integer' | 'number' | 'other' {
  if (value === undefined || value === null) return 'nothing'
  if (typeof value === 'boolean') return 'boolean'
  if (typeof value !== 'number') return 'other'
  // A double holds the sign of zero, a whole number does not.
  return Number.isSafeInteger(value) && !Object.is(value, -0) ? 'integer' : 'number'
}

/** As the loader reads it: nothing is a bare \N, so that a text of the same letters stays a text. */
function field(value: unknown, { readAs }: CsvColumn): string {
  if (value === undefined || value === null) return String.raw`\N`
  if (readAs !== 'VARCHAR') return Object.is(value, -0) ? '-0' : String(value as number)
  const text = typeof value === 'string' ? value : JSON.stringify(value)
  return `"${text.replaceAll('"', '""')}"`
}
