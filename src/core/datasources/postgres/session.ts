import { KilnError } from '../../errors/index.ts'
import { type Link, connect } from './connect.ts'
import type { PostgresDatasourceOptions } from './contract.ts'
import { type Field, readParameterDescription, readRowDescription } from './describe.ts'
import { describeStatementMessage, parseMessage, queryMessage, syncMessage } from './messages.ts'
import { readServerError, statementError } from './server-error.ts'
import { type CopySink, type MessageHandler, serverCode } from './wire.ts'

export interface Described {
  /** Type ids of the parameters, in order. */
  readonly parameters: readonly number[]
  /** Empty for a statement that returns no rows. */
  readonly fields: readonly Field[]
}

/**
 * What a statement of a superuser may spill to the server's disk; a sort without end fills a disk of
 * 500 GB within some minutes.
 */
const tempFileLimit = '2GB'

/**
 * One connection, used by one call at a time. Every call runs in a READ ONLY transaction of its
 * own that ends in a rollback, under settings that are made anew, so that nothing a statement did
 * to the session reaches the next.
 */
export class Session {
  readonly #link: Link
  readonly #timeoutMs: number

  private constructor(link: Link, timeoutMs: number) {
    this.#link = link
    this.#timeoutMs = timeoutMs
  }

  static async open(options: PostgresDatasourceOptions, signal: AbortSignal): Promise<Session> {
    signal.throwIfAborted()
    const link = await connect(options)
    return new Session(link, options.statementTimeoutMs)
  }

  get isOpen(): boolean {
    return this.#link.wire.isOpen
  }

  end(): void {
    this.#link.end()
  }

  /**
   * Runs `work` under the signal: aborted, the statement is cancelled on the server, the
   * connection closed, and the signal's reason thrown.
   */
  async guard<T>(signal: AbortSignal, work: () => Promise<T>): Promise<T> {
    signal.throwIfAborted()
    let cancelling: Promise<void> | undefined
    const abort = (): void => void (cancelling = this.#link.cancel())
    signal.addEventListener('abort', abort, { once: true })
    try {
      return await work()
    } catch (error) {
      throw signal.aborted ? signal.reason : error
    } finally {
      signal.removeEventListener('abort', abort)
      // Also when the work was done just before: the connection must not be used again meanwhile.
      await cancelling
    }
  }

  /** Begins the call's transaction and parses its statement, in one round trip. */
  async begin(sql: string): Promise<Described> {
    const setUp = [
      'begin transaction read only',
      `set local statement_timeout = ${this.#timeoutMs}`,
      // A lost executor must not leave a transaction that keeps vacuum from its work.
      `set local idle_in_transaction_session_timeout = ${this.#timeoutMs + 60_000}`,
      "set local datestyle = 'ISO, YMD'",
      "set local timezone = 'UTC'",
      "set local intervalstyle = 'iso_8601'",
      "set local bytea_output = 'hex'",
      'set local extra_float_digits = 1',
      'set local standard_conforming_strings = on',
      ...(this.#link.mayFillDisk ? [`set local temp_file_limit = '${tempFileLimit}'`] : []),
    ].join('; ')
    let answers = 0
    let described: Described = { parameters: [], fields: [] }
    await this.#exchange(
      [queryMessage(setUp), parseMessage(sql), describeStatementMessage(), syncMessage()],
      (code, body) => {
        described = readDescription(code, body, described)
        if (code === serverCode.readyForQuery) answers += 1
        return answers === 2
      },
    )
    return described
  }

  /** Parses another statement in the call's transaction. */
  async describe(sql: string): Promise<Described> {
    let described: Described = { parameters: [], fields: [] }
    await this.exchange(
      [parseMessage(sql), describeStatementMessage(), syncMessage()],
      (code, body) => {
        described = readDescription(code, body, described)
      },
    )
    return described
  }

  /** Ends the call's transaction, whatever state it is in. */
  async rollback(): Promise<void> {
    if (this.isOpen) await this.#exchange([queryMessage('rollback')], isReady)
  }

  /**
   * Sends messages that end in one sync and hands every answer to `take`.
   *
   * @throws KilnError DATASOURCE_ERROR when the server reports an error.
   */
  async exchange(
    messages: readonly Buffer[],
    take: (code: number, body: Buffer) => void,
    sink?: CopySink,
  ): Promise<void> {
    await this.#exchange(
      messages,
      (code, body) => {
        take(code, body)
        return isReady(code)
      },
      sink,
    )
  }

  fail(error: KilnError): void {
    this.#link.wire.fail(error)
  }

  pause(): void {
    this.#link.wire.pause()
  }

  resume(): void {
    this.#link.wire.resume()
  }

  async cancel(): Promise<void> {
    await this.#link.cancel()
  }

  async #exchange(
    messages: readonly Buffer[],
    handler: MessageHandler,
    sink?: CopySink,
  ): Promise<void> {
    let failure: KilnError | undefined
    await this.#link.wire.exchange(
      messages,
      (code, body) => {
        if (code === serverCode.errorResponse) {
          failure ??= statementError(readServerError(body), this.#timeoutMs)
        }
        return handler(code, body)
      },
      sink,
    )
    if (failure) throw failure
  }
}

function isReady(code: number): boolean {
  return code === serverCode.readyForQuery
}

function readDescription(code: number, body: Buffer, described: Described): Described {
  switch (code) {
    case serverCode.parameterDescription:
      return { ...described, parameters: readParameterDescription(body) }
    case serverCode.rowDescription:
      return { ...described, fields: readRowDescription(body) }
    default:
      return described
  }
}
