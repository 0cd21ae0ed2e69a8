import type { Connection, Submittable } from 'pg'

/** Rows of COPY are collected to pieces of this size; pieces that wait to be taken, at most. */
const pieceBytes = 512 * 1024
const mostWaiting = 2

const headerBytes = 5
const code = {
  copyData: 'd'.charCodeAt(0),
  copyDone: 'c'.charCodeAt(0),
  copyOut: 'H'.charCodeAt(0),
  error: 'E'.charCodeAt(0),
}

type DataHandler = (data: Buffer) => void

/**
 * `copy … to stdout` as large pieces of bytes. Reads the messages of the socket itself: the driver
 * makes an object and an event of each row, which is most of the time that a backup takes (measured).
 */
export class CopyOut implements Submittable {
  readonly #sql: string
  #connection: Connection | undefined
  #driver: DataHandler | undefined
  /** The beginning of a message whose rest has not come. */
  #head: Buffer | undefined
  /** Bytes of the current row that are still to come. */
  #rowBytesLeft = 0
  #piece = Buffer.allocUnsafeSlow(pieceBytes)
  #filled = 0
  #pieces: Buffer<ArrayBuffer>[] = []
  /** Taken, and to be filled again. */
  readonly #free: Buffer<ArrayBuffer>[] = []
  #isOver = false
  #error: Error | undefined
  #rows: number | undefined
  #wake: (() => void) | undefined
  #lastActivity = performance.now()
  #isWaiting = false

  constructor(sql: string) {
    this.#sql = sql
  }

  /** As the server counted them; 0 before the end. */
  get rows(): number {
    return this.#rows ?? 0
  }

  /** How long the taker has waited for the server to send anything. */
  get silentMs(): number {
    return this.#isWaiting ? performance.now() - this.#lastActivity : 0
  }

  /** A piece is the taker's until it asks for the next: its memory is filled again then. */
  async *pieces(): AsyncGenerator<Buffer> {
    for (;;) {
      const piece = this.#pieces.shift()
      if (piece) {
        this.#connection?.stream.resume()
        yield piece
        // New memory for each would have the garbage collector run every few megabytes (measured). The
        // last one is not full, and nothing comes after it.
        if (piece.length === pieceBytes) this.#free.push(piece)
        continue
      }
      if (this.#error) throw this.#error
      if (this.#isOver) return
      this.#isWaiting = true
      this.#lastActivity = performance.now()
      await new Promise<void>((resolve) => (this.#wake = resolve))
      this.#isWaiting = false
    }
  }

  submit(connection: Connection): void {
    this.#connection = connection
    const { stream } = connection
    const [driver] = stream.listeners('data') as DataHandler[]
    if (!driver) throw new Error('the connection does not read')
    this.#driver = driver
    stream.off('data', driver)
    stream.on('data', this.#take)
    this.#connection.query(this.#sql)
  }

  handleError(error: Error): void {
    this.#giveBack()
    this.#error ??= error
    this.#notify()
  }

  handleCommandComplete(message: { readonly text?: string }): void {
    this.#rows = Number(/^COPY (\d+)$/.exec(message.text ?? '')?.[1] ?? Number.NaN)
  }

  handleReadyForQuery(): void {
    this.#giveBack()
    if (this.#filled > 0) this.#push()
    if (this.#rows === undefined && !this.#error) this.#error = new Error('COPY did not end')
    this.#isOver = true
    this.#notify()
  }

  readonly #take = (data: Buffer): void => {
    this.#lastActivity = performance.now()
    const chunk = this.#head ? Buffer.concat([this.#head, data]) : data
    this.#head = undefined
    let at = 0
    while (at < chunk.length) {
      if (this.#rowBytesLeft > 0) {
        at += this.#append(chunk, at)
        continue
      }
      if (chunk.length - at < headerBytes) break
      const kind = chunk[at]
      const length = 1 + chunk.readUInt32BE(at + 1)
      if (kind === code.copyData) {
        this.#rowBytesLeft = length - headerBytes
        at += headerBytes
      } else if (kind === code.copyDone || kind === code.error) {
        // The driver does the rest.
        this.#giveBack(chunk.subarray(at))
        return
      } else {
        if (chunk.length - at < length) break
        if (kind !== code.copyOut) this.#driver?.(chunk.subarray(at, at + length))
        at += length
      }
    }
    if (at < chunk.length) this.#head = chunk.subarray(at)
    if (this.#pieces.length >= mostWaiting) this.#connection?.stream.pause()
  }

  #append(chunk: Buffer, at: number): number {
    const size = Math.min(this.#rowBytesLeft, chunk.length - at, pieceBytes - this.#filled)
    chunk.copy(this.#piece, this.#filled, at, at + size)
    this.#filled += size
    this.#rowBytesLeft -= size
    if (this.#filled === pieceBytes) this.#push()
    return size
  }

  #push(): void {
    this.#pieces.push(this.#piece.subarray(0, this.#filled))
    this.#piece = this.#free.pop() ?? Buffer.allocUnsafeSlow(pieceBytes)
    this.#filled = 0
    this.#notify()
  }

  #notify(): void {
    this.#wake?.()
    this.#wake = undefined
  }

  #giveBack(rest?: Buffer): void {
    const { stream } = this.#connection ?? {}
    if (!stream || !this.#driver) return
    stream.off('data', this.#take)
    stream.on('data', this.#driver)
    const driver = this.#driver
    this.#driver = undefined
    if (rest) driver(rest)
    stream.resume()
  }
}
