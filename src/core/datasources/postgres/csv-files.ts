import { type FileHandle, open } from 'node:fs/promises'
import path from 'node:path'
import type { CsvColumn } from '../../duckdb/index.ts'
import { KilnError, errorCodeOf } from '../../errors/index.ts'
import type { CsvTarget } from './contract.ts'
import type { CopySink } from './wire.ts'

const blockBytes = 1024 * 1024
/** Blocks being written before the server is asked to wait. */
const maxBlocksInFlight = 4
/**
 * Bytes after which the next file begins, so that DuckDB reads one while the next is written. With
 * half of it the reader's start shows, with twice as much the last file is waited for longer.
 */
const partBytes = 24 * 1024 * 1024
const blank = 0x20

/** The side from which the rows come. */
interface Source {
  pause(): void
  resume(): void
  fail(error: KilnError): void
}

interface CsvFilesOptions extends CsvTarget {
  readonly looksForBeforeChrist: boolean
  /** How to read a file that holds, or does not hold, a date before Christ. */
  readonly columnsOf: (hasBeforeChrist: boolean) => readonly CsvColumn[]
}

/** The file that grows. */
interface Part {
  readonly path: string
  bytes: number
  maxRowBytes: number
  hasBeforeChrist: boolean
  /** The last two bytes, since the end of a block may cut an era in two. */
  tail: string
}

/**
 * Writes rows of COPY into new files, in large blocks and behind the socket: the server is told to
 * wait when the disk is slower than it.
 */
export class CsvFiles {
  readonly #source: Source
  readonly #options: CsvFilesOptions
  #parts = 0
  #part: Part
  #handle: FileHandle | undefined
  #block: Buffer = Buffer.allocUnsafe(blockBytes)
  /** Blocks that were written: new memory for each costs more than writing it. */
  readonly #free: Buffer[] = []
  #used = 0
  #inFlight = 0
  /** Everything done to files, one thing after the other. */
  #work: Promise<void> = Promise.resolve()
  #rowBytes = 0
  #rowCount = 0

  constructor(source: Source, options: CsvFilesOptions) {
    this.#source = source
    this.#options = options
    this.#part = this.#newPart()
  }

  /** Takes a piece of a row. */
  readonly take: CopySink = (chunk, start, end, isEnd) => {
    this.#rowBytes += end - start
    this.#append(chunk, start, end)
    if (!isEnd) return
    const part = this.#part
    this.#rowCount += 1
    part.bytes += this.#rowBytes
    if (this.#rowBytes > part.maxRowBytes) part.maxRowBytes = this.#rowBytes
    this.#rowBytes = 0
    if (part.bytes >= partBytes) this.#endPart()
  }

  /** Completes the last file; resolves to the number of rows taken. */
  async finish(): Promise<number> {
    if (this.#part.bytes > 0 || this.#parts === 1) this.#endPart()
    await this.#work
    return this.#rowCount
  }

  /** Closes the files after a failure. */
  async abandon(): Promise<void> {
    // The failure that led here is the one worth reporting.
    await this.#work.catch(() => undefined)
    await this.#handle?.close().catch(() => undefined)
  }

  #newPart(): Part {
    this.#parts += 1
    const { folder, name } = this.#options
    return {
      path: path.join(folder, `${name}-${this.#parts}.csv`),
      bytes: 0,
      maxRowBytes: 0,
      hasBeforeChrist: false,
      tail: '',
    }
  }

  #append(chunk: Buffer, start: number, end: number): void {
    for (let from = start; from < end;) {
      const to = Math.min(end, from + blockBytes - this.#used)
      chunk.copy(this.#block, this.#used, from, to)
      this.#used += to - from
      from = to
      if (this.#used === blockBytes) this.#flush()
    }
  }

  #flush(): void {
    const part = this.#part
    const full = this.#block
    const block = full.subarray(0, this.#used)
    this.#block = this.#free.pop() ?? Buffer.allocUnsafe(blockBytes)
    this.#used = 0
    this.#look(part, block)
    this.#inFlight += 1
    if (this.#inFlight === maxBlocksInFlight) this.#source.pause()
    this.#queue(async () => {
      this.#handle ??= await open(part.path, 'wx', 0o600)
      await this.#handle.writeFile(block)
      this.#free.push(full)
      this.#inFlight -= 1
      if (this.#inFlight === maxBlocksInFlight - 1) this.#source.resume()
    })
  }

  #endPart(): void {
    this.#flush()
    const { path: file, maxRowBytes, hasBeforeChrist } = this.#part
    this.#part = this.#newPart()
    this.#queue(async () => {
      await this.#handle?.close()
      this.#handle = undefined
      const columns = this.#options.columnsOf(hasBeforeChrist)
      this.#options.onPart({ path: file, columns, maxRowBytes })
    })
  }

  #queue(work: () => Promise<void>): void {
    this.#work = this.#work.then(work).catch((error: unknown) => {
      const failure = writeError(error)
      this.#source.fail(failure)
      throw failure
    })
    // `finish` and `abandon` look at it; a failure before then must not count as unhandled.
    this.#work.catch(() => undefined)
  }

  #look(part: Part, block: Buffer): void {
    if (!this.#options.looksForBeforeChrist || part.hasBeforeChrist) return
    const start = block.toString('latin1', 0, 2)
    part.hasBeforeChrist = `${part.tail}${start}`.includes(' BC') || hasEra(block)
    part.tail = `${part.tail}${block.toString('latin1', Math.max(block.length - 2, 0))}`.slice(-2)
  }
}

/** Looks for the letters first: a capital B is rarer than a blank, and a rare first byte is what is fast. */
function hasEra(block: Buffer): boolean {
  for (let at = block.indexOf('BC'); at >= 0; at = block.indexOf('BC', at + 2)) {
    if (block[at - 1] === blank) return true
  }
  return false
}

/** Without the path, which a script must not learn. */
function writeError(error: unknown): KilnError {
  if (error instanceof KilnError) return error
  const code = errorCodeOf(error) ?? 'unknown error'
  return code === 'ENOSPC' || code === 'EDQUOT'
    ? new KilnError('DISK_FULL', 'no space left for the rows of a load', { cause: error })
    : new KilnError('FILE_UNWRITABLE', `the rows of a load cannot be written (${code})`, {
        cause: error,
      })
}
