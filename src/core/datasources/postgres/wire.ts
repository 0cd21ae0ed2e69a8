import type { Duplex } from 'node:stream'
import { KilnError } from '../../errors/index.ts'

/** What the server says, by the protocol's letters. */
export const serverCode = {
  bindComplete: 0x32,
  commandComplete: 0x43,
  copyData: 0x64,
  copyDone: 0x63,
  copyInResponse: 0x47,
  copyOutResponse: 0x48,
  dataRow: 0x44,
  errorResponse: 0x45,
  noData: 0x6e,
  parameterDescription: 0x74,
  portalSuspended: 0x73,
  readyForQuery: 0x5a,
  rowDescription: 0x54,
} as const

/** Takes one message; true when the exchange is over. The body is valid only during the call. */
export type MessageHandler = (code: number, body: Buffer) => boolean

/**
 * Takes COPY data as it comes, a row or a piece of one between two offsets; `isEnd` with the last
 * piece. Offsets and not a view, since a view for each row is what the collector then works on.
 */
export type CopySink = (chunk: Buffer, start: number, end: number, isEnd: boolean) => void

/**
 * The socket of one authenticated connection, cut into messages. A message that announces more
 * than the limit ends the connection before it is received: a value of 1 GB would otherwise be
 * buffered whole.
 */
export class Wire {
  readonly #stream: Duplex
  readonly #maxMessageBytes: number
  #handler: MessageHandler | undefined
  #copySink: CopySink | undefined
  #settle: { resolve: () => void; reject: (error: unknown) => void } | undefined
  #rest: Buffer[] = []
  #restBytes = 0
  /** Bytes still to come of a COPY row that goes to the sink. */
  #copyBytes = 0
  #failure: KilnError | undefined

  constructor(stream: Duplex, maxMessageBytes: number) {
    this.#stream = stream
    this.#maxMessageBytes = maxMessageBytes
    stream.removeAllListeners('data')
    stream.on('data', (chunk: Buffer) => this.#receive(chunk))
    stream.on('error', (error: Error) => this.fail(lost(error.message, error)))
    stream.on('close', () => this.fail(lost('the server closed the connection')))
  }

  get isOpen(): boolean {
    return this.#failure === undefined
  }

  pause(): void {
    this.#stream.pause()
  }

  resume(): void {
    this.#stream.resume()
  }

  /** Sends the messages and hands every answer to the handler until it says that was the last. */
  exchange(messages: readonly Buffer[], handler: MessageHandler, sink?: CopySink): Promise<void> {
    if (this.#failure) return Promise.reject(this.#failure)
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    this.#handler = handler
    this.#copySink = sink
    this.#settle = { resolve, reject }
    this.#stream.write(Buffer.concat(messages))
    return promise
  }

  send(message: Buffer): void {
    this.#stream.write(message)
  }

  /** Ends the connection; the exchange that is under way rejects with the error. */
  fail(error: KilnError): void {
    if (this.#failure) return
    this.#failure = error
    this.#stream.destroy()
    this.#finish((settle) => settle.reject(error))
  }

  #finish(how: (settle: { resolve: () => void; reject: (error: unknown) => void }) => void): void {
    const settle = this.#settle
    this.#handler = undefined
    this.#copySink = undefined
    this.#settle = undefined
    if (settle) how(settle)
  }

  #receive(chunk: Buffer): void {
    try {
      this.#parse(chunk)
    } catch (error) {
      this.fail(
        error instanceof KilnError
          ? error
          : new KilnError('DATASOURCE_ERROR', `the answer cannot be read: ${String(error)}`),
      )
    }
  }

  #parse(chunk: Buffer): void {
    let offset = this.#continueCopy(chunk)
    if (this.#restBytes > 0) {
      this.#rest.push(offset === 0 ? chunk : chunk.subarray(offset))
      this.#restBytes += chunk.length - offset
      const needed = this.#needed()
      if (this.#restBytes < needed) return
      chunk = Buffer.concat(this.#rest)
      this.#rest = []
      this.#restBytes = 0
      offset = 0
    }
    while (this.#failure === undefined && chunk.length - offset >= 5) {
      const code = chunk[offset] as number
      const length = chunk.readUInt32BE(offset + 1)
      if (code === serverCode.copyData && this.#copySink) {
        offset = this.#beginCopy(chunk, offset + 5, length - 4)
        continue
      }
      if (length > this.#maxMessageBytes) throw this.#tooLarge(length)
      const end = offset + 1 + length
      if (end > chunk.length) break
      this.#dispatch(code, chunk.subarray(offset + 5, end))
      offset = end
    }
    if (offset < chunk.length) {
      this.#rest = [chunk.subarray(offset)]
      this.#restBytes = chunk.length - offset
    }
  }

  /** Bytes of the message whose beginning is kept: its head, or all of it once the head is there. */
  #needed(): number {
    if (this.#restBytes < 5) return 5
    const head = (this.#rest[0] as Buffer).length >= 5 ? this.#rest[0] : Buffer.concat(this.#rest)
    const isCopy = head?.[0] === serverCode.copyData && this.#copySink !== undefined
    return isCopy ? 5 : 1 + (head as Buffer).readUInt32BE(1)
  }

  #beginCopy(chunk: Buffer, start: number, length: number): number {
    const end = Math.min(start + length, chunk.length)
    this.#copyBytes = length - (end - start)
    this.#copySink?.(chunk, start, end, this.#copyBytes === 0)
    return end
  }

  #continueCopy(chunk: Buffer): number {
    if (this.#copyBytes === 0) return 0
    const end = Math.min(this.#copyBytes, chunk.length)
    this.#copyBytes -= end
    this.#copySink?.(chunk, 0, end, this.#copyBytes === 0)
    return end
  }

  #dispatch(code: number, body: Buffer): void {
    // Notices and parameter reports come at any time and carry nothing Kiln waits for.
    if (this.#handler?.(code, body)) this.#finish((settle) => settle.resolve())
  }

  #tooLarge(length: number): KilnError {
    const size = `${Math.ceil(length / 1024 ** 2)} MB`
    const limit = `${Math.floor(this.#maxMessageBytes / 1024 ** 2)} MB`
    return new KilnError(
      'DATASOURCE_ERROR',
      `a row of ${size} is larger than the limit of ${limit}: select less of it`,
    )
  }
}

function lost(reason: string, cause?: unknown): KilnError {
  return new KilnError('DATASOURCE_UNAVAILABLE', `connection failed: ${reason}`, {
    ...(cause === undefined ? {} : { cause }),
    hint: 'check that the server runs, then try again',
  })
}
