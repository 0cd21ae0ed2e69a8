import type { DuckDBConnection } from '@duckdb/node-api'
import { existsSync, rmSync, statSync } from 'node:fs'
import path from 'node:path'
import { defaultMaxExportBytes } from '../limits.ts'
import { quoteTableName, quoteText } from './identifiers.ts'
import { Refusal } from './refusal.ts'

const formats: Readonly<Record<string, string>> = {
  '.csv': 'format csv, header',
  '.json': 'format json, array true',
  '.jsonl': 'format json',
  '.parquet': 'format parquet, compression zstd',
}

/** How often the file is looked at while it grows: a disk takes some 100 MB meanwhile. */
const lookEveryMs = 50

export interface Exported {
  readonly rowCount: number
  readonly path: string
  readonly sizeBytes: number
}

/**
 * The files that a job writes into its folder. A view may have rows without end, and DuckDB's limit of
 * what it spills does not hold for them: without one of ours they fill the disk.
 */
export class Exports {
  readonly #folder: string
  readonly #maxBytes: number
  #usedBytes = 0

  constructor(folder: string, maxBytes: number = defaultMaxExportBytes) {
    this.#folder = folder
    this.#maxBytes = maxBytes
  }

  /** Writes a table into a new file; the name is only a name, the format its extension. */
  async write(
    connection: DuckDBConnection,
    { table, file }: { readonly table: string; readonly file: string },
  ): Promise<Exported> {
    const format = formats[path.extname(file)]
    if (!/^[\w-][\w.-]*$/.test(file) || format === undefined) {
      throw new Refusal(
        'export takes a plain file name that ends in .csv, .json, .jsonl or .parquet',
      )
    }
    const target = path.join(this.#folder, file)
    if (existsSync(target)) throw new Refusal(`the job has a file ${file} already`)
    const leftBytes = this.#maxBytes - this.#usedBytes
    let isTooLarge = false
    const watch = setInterval(() => {
      isTooLarge ||= sizeOf(target) > leftBytes
      // Again and again: one that comes between two steps of the statement is forgotten.
      if (isTooLarge) connection.interrupt()
    }, lookEveryMs)
    try {
      const result = await connection.run(
        `copy (from ${quoteTableName(table)}) to ${quoteText(target)} (${format})`,
      )
      const rows = await result.getRows()
      const sizeBytes = sizeOf(target)
      isTooLarge ||= sizeBytes > leftBytes
      if (isTooLarge) throw this.#tooLarge()
      this.#usedBytes += sizeBytes
      return { rowCount: Number(rows[0]?.[0] ?? 0), path: target, sizeBytes }
    } catch (error) {
      // Half a file is no file: the script may try again.
      rmSync(target, { force: true })
      throw isTooLarge ? this.#tooLarge() : error
    } finally {
      clearInterval(watch)
    }
  }

  #tooLarge(): Refusal {
    return new Refusal(
      `the files that a job exports have at most ${this.#maxBytes / 1024 ** 2} MB together`,
    )
  }
}

const sizeOf = (file: string): number => statSync(file, { throwIfNoEntry: false })?.size ?? 0
