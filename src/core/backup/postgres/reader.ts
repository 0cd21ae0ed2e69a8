import type pg from 'pg'
import { type ConnectionTarget, databaseError } from '../../database/index.ts'
import { KilnError } from '../../errors/index.ts'
import { openClient } from '../../migrate/index.ts'
import { CopyOut } from './copy-out.ts'

/** What a dump has to say must not depend on the server's settings, nor be ended by its limits. */
const sessionSettings = [
  "datestyle = 'ISO, YMD'",
  "intervalstyle = 'postgres'",
  "timezone = 'UTC'",
  "bytea_output = 'hex'",
  "client_encoding = 'UTF8'",
  'extra_float_digits = 3',
  'statement_timeout = 0',
  'idle_in_transaction_session_timeout = 0',
  // A policy that hides rows from this role fails the backup instead of making it short.
  'row_security = off',
]

export interface ReaderOptions {
  readonly target: ConnectionTarget
  /** The server is taken for gone when it has not answered for so long. */
  readonly silenceLimitMs: number
  readonly signal: AbortSignal
}

/**
 * One connection of a backup. A silent network gives no error and no end of a COPY: what is asked here
 * has a limit of silence, after which the connection is cut.
 */
export class Reader {
  readonly client: pg.Client
  readonly #options: ReaderOptions
  #cutFor: Error | undefined

  private constructor(client: pg.Client, options: ReaderOptions) {
    this.client = client
    this.#options = options
    options.signal.addEventListener('abort', this.#onAbort, { once: true })
  }

  static async open(options: ReaderOptions): Promise<Reader> {
    options.signal.throwIfAborted()
    const reader = new Reader(await openClient(options.target, 'kiln backup'), options)
    try {
      await reader.ask(sessionSettings.map((setting) => `set ${setting}`).join('; '))
      return reader
    } catch (error) {
      await reader.close()
      throw error
    }
  }

  async ask<Row extends pg.QueryResultRow>(
    sql: string,
    values: readonly unknown[] = [],
    limitMs = this.#options.silenceLimitMs,
  ): Promise<readonly Row[]> {
    return this.guard(async () => {
      const { rows } = await this.client.query<Row>(
        sql,
        values.length > 0 ? [...values] : undefined,
      )
      return rows
    }, limitMs)
  }

  /** Runs what uses the connection, and cuts it when that takes longer. */
  async guard<T>(work: () => Promise<T>, limitMs: number): Promise<T> {
    const timer = setTimeout(() => this.#cut(this.#silent(limitMs)), limitMs)
    try {
      return await work()
    } catch (error) {
      throw this.#explain(error)
    } finally {
      clearTimeout(timer)
    }
  }

  /** The bytes of `copy … to stdout`, handed to `take` as they come. Returns how many rows there were. */
  async copy(sql: string, take: (pieces: AsyncIterable<Buffer>) => Promise<void>): Promise<number> {
    const limitMs = this.#options.silenceLimitMs
    const copy = new CopyOut(sql)
    const watch = setInterval(
      () => {
        if (copy.silentMs > limitMs) this.#cut(this.#silent(limitMs))
      },
      Math.max(10, limitMs / 10),
    )
    try {
      this.client.query(copy)
      await take(copy.pieces())
      return copy.rows
    } catch (error) {
      throw this.#explain(error)
    } finally {
      clearInterval(watch)
    }
  }

  async close(): Promise<void> {
    this.#options.signal.removeEventListener('abort', this.#onAbort)
    // A server that does not answer does not answer this either.
    const timer = setTimeout(() => this.#cut(new Error('closed')), 1000)
    await this.client.end().catch(() => undefined)
    clearTimeout(timer)
  }

  readonly #onAbort = (): void => this.#cut(this.#options.signal.reason as Error)

  #cut(reason: Error): void {
    this.#cutFor ??= reason
    const { connection } = this.client as unknown as { readonly connection: pg.Connection }
    connection.stream.destroy()
  }

  #explain(error: unknown): unknown {
    if (this.#cutFor) return this.#cutFor
    return error instanceof KilnError ? error : databaseError(error, this.#options.target.label)
  }

  #silent(limitMs: number): KilnError {
    return new KilnError(
      'DATABASE_CONNECTION_FAILED',
      `connection failed: ${this.#options.target.label} has sent nothing for ${limitMs / 1000} s`,
      { hint: 'check the network between here and the server, then try again' },
    )
  }
}
