import { KilnError, messageOf } from '../errors/index.ts'
import type { Child } from './child-process.ts'
import { type Frame, FrameReader, encodeFrame } from './frames.ts'
import { interruptGraceMs, maxFrameBytes } from './limits.ts'
import type { Operation, Reply } from './protocol.ts'

interface Pending {
  readonly resolve: (answer: { value: unknown; text: string | null }) => void
  readonly reject: (error: unknown) => void
}

/**
 * Requests to one DuckDB process and their answers. What comes back is hostile input: an unknown
 * id is ignored, anything malformed ends the process.
 */
export class Connection {
  readonly #child: Child
  readonly #reader = new FrameReader(maxFrameBytes)
  readonly #pending = new Map<number, Pending>()
  #nextId = 1
  #end: string | undefined

  constructor(child: Child) {
    this.#child = child
    child.output.on('data', (chunk: Buffer) => this.#receive(chunk))
    void child.gone.then((how) => this.#fail(`the DuckDB process ended (${how})`))
  }

  /** The answer's value; undefined for rows. */
  async value(operation: Operation, signal: AbortSignal): Promise<unknown> {
    return (await this.#request(operation, signal)).value
  }

  /** The answer's rows as JSON text; null when there are none left. */
  async text(operation: Operation, signal: AbortSignal): Promise<string | null> {
    return (await this.#request(operation, signal)).text
  }

  /** Id that the next request will have; it names a stream opened by it. */
  get nextId(): number {
    return this.#nextId
  }

  async #request(
    operation: Operation,
    signal: AbortSignal,
  ): Promise<{ value: unknown; text: string | null }> {
    signal.throwIfAborted()
    if (this.#end !== undefined) throw datasourceError(this.#end)
    const id = this.#nextId++
    const { promise, resolve, reject } = Promise.withResolvers<{
      value: unknown
      text: string | null
    }>()
    this.#pending.set(id, { resolve, reject })
    let grace: NodeJS.Timeout | undefined
    const abort = (): void => {
      this.#write(this.#nextId++, { name: 'cancel', request: id })
      // Inside one large scalar call DuckDB looks at an interrupt only after 20 seconds.
      grace = setTimeout(() => this.#child.kill(), interruptGraceMs)
    }
    signal.addEventListener('abort', abort, { once: true })
    try {
      this.#write(id, operation)
      return await promise
    } catch (error) {
      throw signal.aborted ? signal.reason : error
    } finally {
      clearTimeout(grace)
      signal.removeEventListener('abort', abort)
      this.#pending.delete(id)
    }
  }

  #write(id: number, operation: Operation): void {
    for (const part of encodeFrame({ id, operation })) this.#child.input.write(part)
  }

  #receive(chunk: Buffer): void {
    try {
      for (const frame of this.#reader.push(chunk)) this.#settle(frame)
    } catch (error) {
      this.#fail(`the DuckDB process sent what is no answer: ${messageOf(error)}`)
      this.#child.kill()
    }
  }

  #settle({ head, body }: Frame): void {
    const { id, value, isText, error, isAborted } = head as unknown as Reply
    const pending = this.#pending.get(id)
    if (!pending) return
    if (typeof error === 'string') {
      pending.reject(
        isAborted === true ? new KilnError('TRANSACTION_ABORTED', error) : datasourceError(error),
      )
    } else pending.resolve({ value, text: isText === true ? body.toString('utf8') : null })
  }

  #fail(reason: string): void {
    this.#end ??= reason
    for (const { reject } of this.#pending.values()) reject(datasourceError(this.#end))
    this.#pending.clear()
  }
}

function datasourceError(message: string): KilnError {
  return new KilnError('DATASOURCE_ERROR', message)
}
