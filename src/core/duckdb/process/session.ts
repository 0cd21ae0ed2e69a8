import type { DuckDBConnection } from '@duckdb/node-api'
import type { JobTransaction } from './job-transaction.ts'
import { Refusal } from './refusal.ts'

/** How often a statement is told to stop until it does. */
const interruptEveryMs = 20

/** One request from its arrival on, so that it can be cancelled before it has begun. */
export class Turn {
  readonly #cancelled = Promise.withResolvers<never>()
  #isCancelled = false
  #connection: DuckDBConnection | undefined

  constructor() {
    // Nobody may be waiting when it is cancelled.
    this.#cancelled.promise.catch(() => undefined)
  }

  /** Waits, but no longer than until the turn is cancelled. */
  async wait(until: Promise<unknown>): Promise<void> {
    await Promise.race([until, this.#cancelled.promise])
  }

  begin(connection: DuckDBConnection): void {
    if (this.#isCancelled) throw new Refusal('cancelled')
    this.#connection = connection
  }

  end(): void {
    this.#connection = undefined
  }

  cancel(): void {
    this.#isCancelled = true
    this.#cancelled.reject(new Refusal('cancelled'))
    this.#interrupt()
  }

  /** Again and again: DuckDB forgets an interrupt that comes between two steps of one call. */
  #interrupt(): void {
    if (!this.#connection) return
    this.#connection.interrupt()
    setTimeout(() => this.#interrupt(), interruptEveryMs)
  }
}

/**
 * One connection and the order of its statements: a connection runs one at a time, and what a
 * script creates for the session (temporary tables, macros) must be there for its next call.
 */
export class Session {
  readonly #connection: DuckDBConnection
  readonly #transaction: JobTransaction | undefined
  #last: Promise<unknown> = Promise.resolve()

  /** With a transaction, all that is done here is in it. */
  constructor(connection: DuckDBConnection, transaction?: JobTransaction) {
    this.#connection = connection
    this.#transaction = transaction
  }

  /** Runs `work` after everything before it. */
  async run<T>(turn: Turn, work: (connection: DuckDBConnection) => Promise<T>): Promise<T> {
    const release = await this.hold(turn)
    try {
      return await this.runHeld(turn, work)
    } finally {
      release()
    }
  }

  /** Waits for everything before, then keeps everything after waiting until released. */
  async hold(turn: Turn): Promise<() => void> {
    const before = this.#last
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#last = promise
    try {
      await turn.wait(before)
      return resolve
    } catch (error) {
      // Whoever came later still waits for what came before.
      void before.then(() => resolve())
      throw error
    }
  }

  /** Runs `work` of the one who holds the session. */
  async runHeld<T>(turn: Turn, work: (connection: DuckDBConnection) => Promise<T>): Promise<T> {
    try {
      this.#transaction?.requireOpen()
      turn.begin(this.#connection)
      return await work(this.#connection)
    } catch (error) {
      await this.#transaction?.note(this.#connection, error)
      throw error
    } finally {
      turn.end()
    }
  }

  close(): void {
    this.#connection.closeSync()
  }
}
