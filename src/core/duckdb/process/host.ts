import type { DuckDBConnection, DuckDBInstance } from '@duckdb/node-api'
import type { DuckdbRowOptions } from '../contract.ts'
import { defaultMaxRowBytes } from '../limits.ts'
import type { Operation, Statement } from '../protocol.ts'
import { describeTable, exportTable, listTables } from './catalog.ts'
import { quoteIdentifier } from './identifiers.ts'
import { loadCsv } from './load-csv.ts'
import { loadQuery } from './load-query.ts'
import { prepareStatement } from './prepare-statement.ts'
import { Refusal } from './refusal.ts'
import { RowWriter } from './row-writer.ts'
import { Session } from './session.ts'

/** A plain value, or rows as pieces of JSON text. */
export type Answer = { readonly value: unknown } | { readonly rows: readonly Buffer[] | null }

type Of<Name extends Operation['name']> = Extract<Operation, { readonly name: Name }>

interface OpenStream {
  readonly session: Session
  readonly rows: RowWriter
  readonly batchSize: number
  readonly maxBytes: number
}

/** The instance of one job and everything that is open on it. */
export class Host {
  readonly #instance: DuckDBInstance
  readonly #folder: string
  readonly #sessions = new Map<string, Promise<Session>>()
  readonly #streams = new Map<number, OpenStream>()

  constructor(instance: DuckDBInstance, folder: string) {
    this.#instance = instance
    this.#folder = folder
  }

  async handle(id: number, operation: Exclude<Operation, Of<'setup'>>): Promise<Answer> {
    switch (operation.name) {
      case 'query':
        return { rows: await this.#query(id, operation) }
      case 'stream':
        return { value: await this.#openStream(id, operation) }
      case 'next':
        return { rows: await this.#next(id, operation.stream) }
      case 'closeStream':
        return { value: this.#closeStream(operation.stream) }
      case 'cancel':
        return { value: await this.#cancel(operation.request) }
      case 'exec':
        return { value: await this.#main(id, (c) => exec(c, operation)) }
      case 'loadCsv':
        return { value: await this.#main(id, (c) => loadCsv(c, operation.load)) }
      case 'loadQuery':
        return { value: await this.#main(id, (c) => loadQuery(c, operation)) }
      case 'tables':
        return { value: await this.#main(id, listTables) }
      case 'describe':
        return { value: await this.#main(id, (c) => describeTable(c, operation.table)) }
      case 'export':
        return {
          value: await this.#main(id, (c) => exportTable(c, this.#folder, operation)),
        }
    }
  }

  async #query(id: number, { options, sql, params }: Of<'query'>): Promise<Buffer[]> {
    const session = await this.#session(options.catalog)
    return await session.run(id, async (connection) => {
      const rows = await openRows(connection, { sql, params }, options)
      return await rows.writeAll(options.maxRows ?? Infinity, maxBytesOf(options))
    })
  }

  async #openStream(id: number, { options, sql, params }: Of<'stream'>): Promise<null> {
    // A connection of its own: an open result would be lost to the next statement on it.
    const session = await this.#connect(options.catalog)
    try {
      const rows = await session.run(id, (c) => openRows(c, { sql, params }, options))
      const { batchSize } = options
      this.#streams.set(id, { session, rows, batchSize, maxBytes: maxBytesOf(options) })
      return null
    } catch (error) {
      session.connection.closeSync()
      throw error
    }
  }

  async #next(id: number, streamId: number): Promise<Buffer[] | null> {
    const stream = this.#streams.get(streamId)
    if (!stream) throw new Refusal('the stream is closed')
    const { session, rows, batchSize, maxBytes } = stream
    return await session.run(id, () => rows.writeBatch(batchSize, maxBytes))
  }

  #closeStream(id: number): null {
    this.#streams.get(id)?.session.connection.closeSync()
    this.#streams.delete(id)
    return null
  }

  async #cancel(id: number): Promise<null> {
    for (const session of this.#sessions.values()) (await session).cancel(id)
    for (const { session } of this.#streams.values()) session.cancel(id)
    return null
  }

  async #main<T>(id: number, work: (connection: DuckDBConnection) => Promise<T>): Promise<T> {
    return await (await this.#session(undefined)).run(id, work)
  }

  /** The session of a catalog, opened when first used; names without one are looked up in it. */
  async #session(catalog: string | undefined): Promise<Session> {
    const key = catalog ?? ''
    let session = this.#sessions.get(key)
    if (!session) {
      session = this.#connect(catalog)
      this.#sessions.set(key, session)
    }
    return await session
  }

  async #connect(catalog: string | undefined): Promise<Session> {
    const connection = await this.#instance.connect()
    if (catalog !== undefined) await connection.run(`use ${quoteIdentifier(catalog)}`)
    return new Session(connection)
  }
}

async function exec(
  connection: DuckDBConnection,
  { sql, params }: Statement,
): Promise<{ rowCount: number }> {
  const statement = await prepareStatement(connection, sql, params)
  return { rowCount: (await statement.run()).rowsChanged }
}

/** Streaming keeps one chunk in memory; the limits end a result that is too large early. */
async function openRows(
  connection: DuckDBConnection,
  { sql, params }: Statement,
  options: DuckdbRowOptions,
): Promise<RowWriter> {
  const statement = await prepareStatement(connection, sql, params)
  return new RowWriter(await statement.stream(), options.exact === true)
}

function maxBytesOf(options: DuckdbRowOptions): number {
  return options.maxBytes ?? defaultMaxRowBytes
}
