import type { DuckDBConnection } from '@duckdb/node-api'
import type { DuckdbRowOptions } from '../contract.ts'
import { defaultMaxRowBytes } from '../limits.ts'
import type { Operation, Setup, Statement } from '../protocol.ts'
import { describeTable, listTables } from './catalog.ts'
import { databaseSizes } from './database-sizes.ts'
import { Exports } from './exports.ts'
import { fingerprint } from './fingerprint.ts'
import { JobTransaction, findMarker } from './job-transaction.ts'
import { type LoadPlace, loadQuery } from './load-query.ts'
import { Loads } from './loads.ts'
import { prepareStatement } from './prepare-statement.ts'
import { Refusal } from './refusal.ts'
import { RowWriter } from './row-writer.ts'
import { Turn } from './session.ts'
import { type Lookup, Sessions } from './sessions.ts'
import type { Opened } from './setup.ts'
import { ownTransaction, partOfTransaction } from './transaction.ts'

/** A plain value, or rows as pieces of JSON text. */
export type Answer = { readonly value: unknown } | { readonly rows: readonly Buffer[] | null }

type Of<Name extends Operation['name']> = Extract<Operation, { readonly name: Name }>

interface OpenStream {
  readonly lookup: Lookup
  readonly rows: RowWriter
  readonly batchSize: number
  readonly maxBytes: number
}

/** The instance of one job and everything that is open on it. */
export class Host {
  readonly #opened: Opened
  readonly #exports: Exports
  readonly #place: LoadPlace
  /** Of a job that writes its project's database. */
  readonly #transaction: JobTransaction | undefined
  readonly #sessions: Sessions
  readonly #streams = new Map<number, OpenStream>()
  readonly #loads: Loads
  readonly #turns = new Map<number, Turn>()

  constructor(
    opened: Opened,
    { folder, project, maxExportBytes }: Pick<Setup, 'folder' | 'project' | 'maxExportBytes'>,
  ) {
    const isWriter = project?.use === 'write'
    this.#opened = opened
    this.#exports = new Exports(folder, maxExportBytes)
    this.#place = isWriter
      ? { database: 'project', transaction: partOfTransaction }
      : { database: 'memory', transaction: ownTransaction }
    this.#transaction = isWriter ? new JobTransaction() : undefined
    this.#sessions = new Sessions(opened, this.#transaction)
    this.#loads = new Loads(this.#place.transaction)
  }

  async handle(id: number, operation: Exclude<Operation, Of<'setup'>>): Promise<Answer> {
    const turn = new Turn()
    this.#turns.set(id, turn)
    try {
      return await this.#perform(id, turn, operation)
    } finally {
      this.#turns.delete(id)
    }
  }

  async #perform(
    id: number,
    turn: Turn,
    operation: Exclude<Operation, Of<'setup'>>,
  ): Promise<Answer> {
    switch (operation.name) {
      case 'query':
        return { rows: await this.#query(turn, operation) }
      case 'stream':
        return { value: await this.#openStream(id, turn, operation) }
      case 'next':
        return { rows: await this.#next(turn, operation.stream) }
      case 'closeStream':
        return { value: this.#closeStream(operation.stream) }
      case 'cancel':
        return { value: this.#turns.get(operation.request)?.cancel() ?? null }
      case 'exec':
        return { value: await this.#main(turn, (c) => exec(c, operation)) }
      case 'beginLoad': {
        const { main } = this.#sessions
        return { value: await this.#loads.begin(id, turn, main, operation.table) }
      }
      case 'addPart':
        return { value: await this.#loads.add(operation.load, turn, operation.part) }
      case 'finishLoad':
        return { value: await this.#loads.finish(operation.load, turn, operation.rowCount) }
      case 'abandonLoad':
        return { value: await this.#loads.abandon(operation.load) }
      case 'loadQuery':
        return { value: await this.#main(turn, (c) => loadQuery(c, operation, this.#place)) }
      case 'tables':
        return { value: await this.#main(turn, listTables) }
      case 'describe':
        return { value: await this.#main(turn, (c) => describeTable(c, operation.table)) }
      case 'export':
        return { value: await this.#main(turn, (c) => this.#exports.write(c, operation)) }
      case 'sizes':
        return { value: await this.#main(turn, databaseSizes) }
      case 'fingerprint':
        return { value: await this.#main(turn, fingerprint) }
      case 'prepareCommit':
        return {
          value: await this.#main(turn, (c) => this.#writer.prepare(c, operation.marker)),
        }
      case 'commit':
        return { value: (await this.#main(turn, (c) => this.#writer.commit(c))) ?? null }
      case 'findMarker':
        return { value: await this.#main(turn, (c) => findMarker(c, operation.jobId)) }
      case 'closeDatabase':
        return { value: this.#close() }
    }
  }

  async #query(turn: Turn, { options, sql, params }: Of<'query'>): Promise<Buffer[]> {
    const lookup = await this.#sessions.find(options.catalog)
    return await lookup.run(turn, async (connection) => {
      const rows = await openRows(connection, { sql, params }, options)
      return await rows.writeAll(options.maxRows ?? Infinity, maxBytesOf(options))
    })
  }

  async #openStream(id: number, turn: Turn, { options, sql, params }: Of<'stream'>): Promise<null> {
    const lookup = await this.#sessions.open(options.catalog)
    try {
      const rows = await lookup.run(turn, (c) =>
        openRows(c, { sql, params }, options, { isWhole: lookup.isShared }),
      )
      const { batchSize } = options
      this.#streams.set(id, { lookup, rows, batchSize, maxBytes: maxBytesOf(options) })
      return null
    } catch (error) {
      lookup.close()
      throw error
    }
  }

  async #next(turn: Turn, streamId: number): Promise<Buffer[] | null> {
    const stream = this.#streams.get(streamId)
    if (!stream) throw new Refusal('the stream is closed')
    const { lookup, rows, batchSize, maxBytes } = stream
    return await lookup.run(turn, () => rows.writeBatch(batchSize, maxBytes))
  }

  #closeStream(id: number): null {
    this.#streams.get(id)?.lookup.close()
    this.#streams.delete(id)
    return null
  }

  async #main<T>(turn: Turn, work: (connection: DuckDBConnection) => Promise<T>): Promise<T> {
    return await this.#sessions.main.run(turn, work)
  }

  get #writer(): JobTransaction {
    if (!this.#transaction) throw new Refusal('the job does not write its project database')
    return this.#transaction
  }

  #close(): null {
    for (const { lookup } of this.#streams.values()) lookup.close()
    this.#streams.clear()
    this.#sessions.close()
    this.#opened.instance.closeSync()
    return null
  }
}

async function exec(
  connection: DuckDBConnection,
  { sql, params }: Statement,
): Promise<{ rowCount: number }> {
  const statement = await prepareStatement(connection, sql, params)
  return { rowCount: (await statement.run()).rowsChanged }
}

/**
 * Streaming keeps one chunk in memory; the limits end a result that is too large early. A whole result
 * does not stand in the way of the next statement on its connection, and spills when it is large.
 */
async function openRows(
  connection: DuckDBConnection,
  { sql, params }: Statement,
  options: DuckdbRowOptions,
  { isWhole } = { isWhole: false },
): Promise<RowWriter> {
  const statement = await prepareStatement(connection, sql, params)
  const result = isWhole ? await statement.run() : await statement.stream()
  return new RowWriter(result, options.exact === true)
}

function maxBytesOf(options: DuckdbRowOptions): number {
  return options.maxBytes ?? defaultMaxRowBytes
}
