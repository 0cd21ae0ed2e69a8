import { createReadStream } from 'node:fs'
import { open } from 'node:fs/promises'
import type { Readable } from 'node:stream'
import { createGunzip } from 'node:zlib'
import { Parser, type ReadEntry } from 'tar'
import { KilnError, errorCodeOf, messageOf } from '../errors/index.ts'
import { fileError } from '../os/index.ts'

/** What stands in an archive, in its order. Neither its name nor its type is to be trusted. */
export interface ArchiveEntry {
  readonly path: string
  /** `File`, `Directory`, `SymbolicLink`, `Link`, `CharacterDevice`, … */
  readonly type: string
  readonly sizeBytes: number
  readonly content: AsyncIterable<Buffer>
}

const blockBytes = 512

/**
 * Reads a tar file, gzipped or not, and gives each entry to `take`, one after the other; nothing is
 * written. What `take` does not read of an entry is passed over.
 *
 * @throws KilnError BACKUP_DATA_INVALID for what is damaged, cut off or no archive; FILE_NOT_FOUND; and
 * what `take` throws.
 */
export async function readArchive(
  file: string,
  signal: AbortSignal,
  take: (entry: ArchiveEntry) => Promise<void>,
): Promise<void> {
  const invalid = (reason: string, cause?: unknown): KilnError =>
    new KilnError('BACKUP_DATA_INVALID', `${file} ${reason}`, {
      hint: 'copy it again, or make it again with tar: nothing was changed',
      cause,
    })
  const stream = await openTar(file)
  let failure: unknown
  const parser = new Parser({ strict: true })
  parser.on('error', (error) => (failure ??= invalid(`is damaged: ${messageOf(error)}`, error)))
  let hasEnd = false
  // One that was cut between two entries looks whole but for this.
  parser.on('eof', () => (hasEnd = true))
  const ended = new Promise<void>((resolve) => parser.on('end', resolve))
  let taking: Promise<void> = Promise.resolve()
  parser.on('entry', (entry: ReadEntry) => {
    // The parser gives the next entry when this one was read.
    taking = taking
      .then(async () => {
        if (failure === undefined) await take(entryOf(entry))
      })
      .catch((error: unknown) => (failure ??= error))
      .then(() => entry.resume())
  })
  const head = new Head()
  try {
    for await (const chunk of stream as AsyncIterable<Buffer>) {
      signal.throwIfAborted()
      if (failure !== undefined) throw failure
      if (head.add(chunk) === 'no tar') throw invalid('is no tar archive')
      if (!parser.write(chunk)) {
        await new Promise<void>((resolve) => parser.once('drain', resolve))
      }
    }
    if (head.isShort) throw invalid('is no tar archive')
    parser.end()
    await ended
    await taking
    if (failure !== undefined) throw failure
    if (!hasEnd) throw invalid('is cut off: its end is missing')
  } catch (error) {
    signal.throwIfAborted()
    if (error instanceof KilnError) throw error
    throw errorCodeOf(error)?.startsWith('Z_')
      ? invalid(`is damaged or cut off: ${messageOf(error)}`, error)
      : fileError(error, file)
  } finally {
    stream.destroy()
  }
}

const entryOf = (entry: ReadEntry): ArchiveEntry => ({
  path: entry.path,
  type: entry.type,
  sizeBytes: entry.size,
  content: entry as unknown as AsyncIterable<Buffer>,
})

/** Unpacked here and not by the parser, which would unpack again what is packed twice. */
async function openTar(file: string): Promise<Readable> {
  let magic: Buffer
  try {
    const handle = await open(file, 'r')
    try {
      magic = (await handle.read(Buffer.alloc(2), 0, 2, 0)).buffer
    } finally {
      await handle.close()
    }
  } catch (error) {
    throw fileError(error, file)
  }
  const source = createReadStream(file, { highWaterMark: 512 * 1024 })
  if (magic[0] !== 0x1f || magic[1] !== 0x8b) return source
  const gunzip = createGunzip({ chunkSize: 512 * 1024 })
  source.on('error', (error) => gunzip.destroy(error))
  gunzip.on('close', () => source.destroy())
  return source.pipe(gunzip)
}

/** Looks at the first block. */
class Head {
  #bytes: Buffer = Buffer.alloc(0)

  add(chunk: Buffer): 'tar' | 'no tar' {
    if (!this.isShort) return 'tar'
    this.#bytes = Buffer.concat([this.#bytes, chunk]).subarray(0, blockBytes)
    if (this.isShort) return 'tar'
    return this.#bytes.toString('latin1', 257, 262) === 'ustar' ? 'tar' : 'no tar'
  }

  get isShort(): boolean {
    return this.#bytes.length < blockBytes
  }
}
