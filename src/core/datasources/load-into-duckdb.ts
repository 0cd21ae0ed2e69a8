import { randomUUID } from 'node:crypto'
import { chown, rm } from 'node:fs/promises'
import type { CsvLoad, CsvPart, DuckdbProcess } from '../duckdb/index.ts'
import type { PostgresDatasource } from './postgres/index.ts'

export interface LoadIntoDuckdb {
  readonly duckdb: DuckdbProcess
  /** The DuckDB process' own folder; the rows lie there for a moment. */
  readonly folder: string
  /** The account the DuckDB process runs as, if not ours. */
  readonly uid?: number
  readonly sql: string
  readonly params: readonly unknown[]
  /** The table to create; one that exists is an error. */
  readonly table: string
}

/**
 * Loads a query's rows from Postgres into a new DuckDB table, exactly or not at all: COPY to files
 * in the job's folder, each read with the exact types while the next is written, all in one
 * transaction, row counts compared.
 *
 * @throws KilnError DATASOURCE_ERROR, naming the column whose values cannot be carried over.
 */
export async function loadIntoDuckdb(
  postgres: PostgresDatasource,
  { duckdb, folder, uid, sql, params, table }: LoadIntoDuckdb,
  signal: AbortSignal,
): Promise<{ rowCount: number }> {
  const load = await duckdb.beginLoad(table, signal)
  const reader = new PartReader(load, uid, signal)
  try {
    const target = { folder, name: `load-${randomUUID()}`, onPart: reader.read }
    const { rowCount } = await postgres.copyToCsv(sql, params, target, reader.signal)
    await reader.done
    return await load.finish(rowCount, signal)
  } finally {
    await reader.done.catch(() => undefined)
    await load.abandon()
    await Promise.all(reader.files.map((file) => rm(file, { force: true })))
  }
}

/** Has DuckDB read one part after the other; the first that fails stops the copying too. */
class PartReader {
  readonly files: string[] = []
  /** Aborted with the caller's signal, or with the failure of a part as its reason. */
  readonly signal: AbortSignal
  readonly #load: CsvLoad
  readonly #uid: number | undefined
  readonly #outer: AbortSignal
  readonly #failed = new AbortController()
  #done: Promise<void> = Promise.resolve()

  constructor(load: CsvLoad, uid: number | undefined, outer: AbortSignal) {
    this.#load = load
    this.#uid = uid
    this.#outer = outer
    this.signal = AbortSignal.any([outer, this.#failed.signal])
  }

  get done(): Promise<void> {
    return this.#done
  }

  readonly read = (part: CsvPart): void => {
    this.files.push(part.path)
    this.#done = this.#done.then(async () => {
      if (this.#uid !== undefined) await chown(part.path, this.#uid, this.#uid)
      await this.#load.add(part, this.#outer)
    })
    this.#done.catch((error: unknown) => this.#failed.abort(error))
  }
}
