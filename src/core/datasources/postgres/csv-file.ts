import { type FileHandle, open } from 'node:fs/promises'
import { KilnError, messageOf } from '../../errors/index.ts'

const blockBytes = 1024 * 1024
/** Blocks being written before the server is asked to wait. */
const maxBlocksInFlight = 4
const beforeChrist = Buffer.from(' BC')

/** What the rows turned out to hold. */
export interface CsvFacts {
  readonly rowCount: number
  readonly sizeBytes: number
  readonly maxRowBytes: number
  readonly hasBeforeChrist: boolean
}

/**
 * Writes rows of COPY into a new file, in large blocks and behind the socket: the server is told
 * to wait when the disk is slower than it.
 */
export class CsvFile {
  readonly #handle: FileHandle
  readonly #onPressure: { pause(): void; resume(): void; fail(error: KilnError): void }
  readonly #looksForBeforeChrist: boolean
  #block = Buffer.allocUnsafe(blockBytes)
  #used = 0
  #inFlight = 0
  #writing: Promise<void> = Promise.resolve()
  #rowBytes = 0
  #rowCount = 0
  #sizeBytes = 0
  #maxRowBytes = 0
  #hasBeforeChrist = false

  private constructor(
    handle: FileHandle,
    onPressure: { pause(): void; resume(): void; fail(error: KilnError): void },
    looksForBeforeChrist: boolean,
  ) {
    this.#handle = handle
    this.#onPressure = onPressure
    this.#looksForBeforeChrist = looksForBeforeChrist
  }

  /** Creates the file, readable by its owner only; one that exists is an error. */
  static async create(
    path: string,
    onPressure: { pause(): void; resume(): void; fail(error: KilnError): void },
    looksForBeforeChrist: boolean,
  ): Promise<CsvFile> {
    return new CsvFile(await open(path, 'wx', 0o600), onPressure, looksForBeforeChrist)
  }

  /** Takes a piece of a row. */
  readonly take = (bytes: Buffer, isEnd: boolean): void => {
    this.#rowBytes += bytes.length
    this.#append(bytes)
    if (!isEnd) return
    this.#rowCount += 1
    if (this.#rowBytes > this.#maxRowBytes) this.#maxRowBytes = this.#rowBytes
    this.#rowBytes = 0
  }

  /** Writes what is left and closes the file. */
  async finish(): Promise<CsvFacts> {
    if (this.#used > 0) this.#flush()
    await this.#writing
    await this.#handle.close()
    return {
      rowCount: this.#rowCount,
      sizeBytes: this.#sizeBytes,
      maxRowBytes: this.#maxRowBytes,
      hasBeforeChrist: this.#hasBeforeChrist,
    }
  }

  /** Closes the file after a failure. */
  async abandon(): Promise<void> {
    // The failure that led here is the one worth reporting.
    await this.#writing.catch(() => undefined)
    await this.#handle.close().catch(() => undefined)
  }

  #append(bytes: Buffer): void {
    let start = 0
    while (start < bytes.length) {
      const end = Math.min(bytes.length, start + blockBytes - this.#used)
      bytes.copy(this.#block, this.#used, start, end)
      this.#used += end - start
      start = end
      if (this.#used === blockBytes) this.#flush()
    }
  }

  #flush(): void {
    const block = this.#block.subarray(0, this.#used)
    this.#look(block)
    this.#block = Buffer.allocUnsafe(blockBytes)
    this.#used = 0
    this.#sizeBytes += block.length
    this.#inFlight += 1
    if (this.#inFlight === maxBlocksInFlight) this.#onPressure.pause()
    this.#writing = this.#writing.then(() => this.#write(block))
    // `finish` and `abandon` look at it; a failure before then must not count as unhandled.
    this.#writing.catch(() => undefined)
  }

  async #write(block: Buffer): Promise<void> {
    try {
      await this.#handle.write(block)
    } catch (error) {
      const failure = new KilnError('DISK_FULL', `cannot write rows to disk: ${messageOf(error)}`, {
        cause: error,
      })
      this.#onPressure.fail(failure)
      throw failure
    }
    this.#inFlight -= 1
    if (this.#inFlight === maxBlocksInFlight - 1) this.#onPressure.resume()
  }

  /** An era cut by the end of a block is seen too: the last bytes come first in the next look. */
  #tail = Buffer.alloc(0)
  #look(block: Buffer): void {
    if (!this.#looksForBeforeChrist || this.#hasBeforeChrist) return
    const seam = Buffer.concat([this.#tail, block.subarray(0, beforeChrist.length - 1)])
    this.#hasBeforeChrist = seam.includes(beforeChrist) || block.includes(beforeChrist)
    this.#tail = Buffer.from(block.subarray(-(beforeChrist.length - 1)))
  }
}
