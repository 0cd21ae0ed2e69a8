import type { DuckDBConnection, DuckDBInstance } from '@duckdb/node-api'
import type { DuckdbRowOptions } from '../contract.ts'
import { defaultMaxRowBytes } from '../limits.ts'
import type { Operation, Statement } from '../protocol.ts'
import { describeTable, exportTable, listTables } from './catalog.ts'
import { quoteIdentifier } from './identifiers.ts'
import { loadQuery } from './load-query.ts'
import { Loads } from './loads.ts'
import { prepareStatement } from './prepare-statement.ts'
import { Refusal } from './refusal.ts'
import { RowWriter } from './row-writer.ts'
import { Session, Turn } from './session.ts'

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
  readonly #loads = new Loads()
  readonly #turns = new Map<number, Turn>()

  constructor(instance: DuckDBInstance, folder: string) {
    this.#instance = instance
    this.#folder = folder
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
        const session = await this.#session(undefined)
        return { value: await this.#loads.begin(id, turn, session, operation.table) }
      }
      case 'addPart':
        return { value: await this.#loads.add(operation.load, turn, operation.part) }
      case 'finishLoad':
        return { value: await this.#loads.finish(operation.load, turn, operation.rowCount) }
      case 'abandonLoad':
        return { value: await this.#loads.abandon(operation.load) }
      case 'loadQuery':
        return { value: await this.#main(turn, (c) => loadQuery(c, operation)) }
      case 'tables':
        return { value: await this.#main(turn, listTables) }
      case 'describe':
        return { value: await this.#main(turn, (c) => describeTable(c, operation.table)) }
      case 'export':
        return {
          value: await this.#main(turn, (c) => exportTable(c, this.#folder, operation)),
        }
    }
  }

  async #query(turn: Turn, { options, sql, params }: Of<'query'>): Promise<Buffer[]> {
    const session = await this.#session(options.catalog)
    return await session.run(turn, async (connection) => {
      const rows = await openRows(connection, { sql, params }, options)
      return await rows.writeAll(options.maxRows ?? Infinity, maxBytesOf(options))
    })
  }

  async #openStream(id: number, turn: Turn, { options, sql, params }: Of<'stream'>): Promise<null> {
    // A connection of its own: an open result would be lost to the next statement on it.
    const session = await this.#connect(options.catalog)
    try {
      const rows = await session.run(turn, (c) => openRows(c, { sql, params }, options))
      const { batchSize } = options
      this.#streams.set(id, { session, rows, batchSize, maxBytes: maxBytesOf(options) })
      return null
    } catch (error) {
      session.close()
      throw error
    }
  }

  async #next(turn: Turn, streamId: number): Promise<Buffer[] | null> {
    const stream = this.#streams.get(streamId)
    if (!stream) throw new Refusal('the stream is closed')
    const { session, rows, batchSize, maxBytes } = stream
    return await session.run(turn, () => rows.writeBatch(batchSize, maxBytes))
  }

  #closeStream(id: number): null {
    this.#streams.get(id)?.session.close()
    this.#streams.delete(id)
    return null
  }

  async #main<T>(turn: Turn, work: (connection: DuckDBConnection) => Promise<T>): Promise<T> {
    return await (await this.#session(undefined)).run(turn, work)
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
