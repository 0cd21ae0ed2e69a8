import type { DuckDBConnection } from '@duckdb/node-api'

interface Turn {
  readonly id: number
  isCancelled: boolean
}

/**
 * One connection and the order of its statements: a connection runs one at a time, and what a
 * script creates for the session (temporary tables, macros) must be there for its next call.
 */
export class Session {
  readonly connection: DuckDBConnection
  #last: Promise<unknown> = Promise.resolve()
  #running: Turn | undefined
  readonly #waiting = new Map<number, Turn>()

  constructor(connection: DuckDBConnection) {
    this.connection = connection
  }

  /** Runs `work` after everything before it; `cancel` with the same id interrupts it. */
  async run<T>(id: number, work: (connection: DuckDBConnection) => Promise<T>): Promise<T> {
    const turn: Turn = { id, isCancelled: false }
    this.#waiting.set(id, turn)
    const before = this.#last
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#last = promise
    await before
    this.#waiting.delete(id)
    this.#running = turn
    try {
      if (turn.isCancelled) throw new Error('cancelled')
      return await work(this.connection)
    } finally {
      this.#running = undefined
      resolve()
    }
  }

  cancel(id: number): void {
    const waiting = this.#waiting.get(id)
    if (waiting) waiting.isCancelled = true
    if (this.#running?.id === id) this.#interrupt(this.#running)
  }

  /** Again and again: an interrupt between two steps of one call is forgotten by DuckDB. */
  #interrupt(turn: Turn): void {
    if (this.#running !== turn) return
    this.connection.interrupt()
    setTimeout(() => this.#interrupt(turn), 20)
  }
}
