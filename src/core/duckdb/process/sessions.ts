import type { DuckDBConnection } from '@duckdb/node-api'
import { quoteIdentifier } from './identifiers.ts'
import type { JobTransaction } from './job-transaction.ts'
import { Session, type Turn } from './session.ts'
import type { Opened } from './setup.ts'

type Work<T> = (connection: DuckDBConnection) => Promise<T>

/** A session, with the database in which its names are looked up. */
export interface Lookup {
  /** Others use it too, between two calls of one who has it. */
  readonly isShared: boolean
  run<T>(turn: Turn, work: Work<T>): Promise<T>
  close(): void
}

/**
 * The sessions of a job. One that writes its project's database has a single one: whatever another
 * did would stand beside its transaction, and would stay when that does not.
 */
export class Sessions {
  readonly main: Session
  readonly #opened: Opened
  readonly #isSingle: boolean
  readonly #known = new Map<string, Promise<Session>>()

  constructor(opened: Opened, transaction: JobTransaction | undefined) {
    this.#opened = opened
    this.#isSingle = transaction !== undefined
    this.main = new Session(opened.connection, transaction)
  }

  /** The session of a database, opened when first used. */
  async find(catalog: string | undefined): Promise<Lookup> {
    if (catalog === undefined || this.#isSingle) return this.#shared(this.main, catalog)
    let session = this.#known.get(catalog)
    if (!session) {
      session = this.#connect(catalog)
      this.#known.set(catalog, session)
    }
    return this.#shared(await session, undefined)
  }

  /** A session of the caller's own if there may be one: an open result is lost to the next statement. */
  async open(catalog: string | undefined): Promise<Lookup> {
    if (this.#isSingle) return this.#shared(this.main, catalog)
    const session = await this.#connect(catalog)
    return {
      isShared: false,
      run: (turn, work) => session.run(turn, work),
      close: () => session.close(),
    }
  }

  close(): void {
    this.main.close()
  }

  #shared(session: Session, catalog: string | undefined): Lookup {
    const run = <T>(turn: Turn, work: Work<T>): Promise<T> =>
      session.run(turn, catalog === undefined ? work : (c) => inCatalog(c, catalog, () => work(c)))
    return { isShared: true, run, close: () => undefined }
  }

  async #connect(catalog: string | undefined): Promise<Session> {
    const connection = await this.#opened.instance.connect()
    if (catalog !== undefined) await connection.run(`use ${quoteIdentifier(catalog)}`)
    return new Session(connection)
  }
}

async function inCatalog<T>(
  connection: DuckDBConnection,
  catalog: string,
  work: () => Promise<T>,
): Promise<T> {
  await connection.run(`use ${quoteIdentifier(catalog)}`)
  try {
    return await work()
  } finally {
    // It fails where the transaction was aborted: then nothing will be looked up any more.
    await connection.run('use project').catch(() => undefined)
  }
}
