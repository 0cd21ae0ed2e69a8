import { createCipheriv, createHash, randomBytes } from 'node:crypto'
import { type FileHandle, mkdir, open } from 'node:fs/promises'
import path from 'node:path'
import { pipeline } from 'node:stream/promises'
import { constants, createZstdCompress } from 'node:zlib'
import { fileError } from '../os/index.ts'
import { objectKey, segmentBytes, segmentIv } from './encryption.ts'
import type { StoredObject } from './manifest.ts'

type Source = AsyncIterable<Buffer> | Iterable<Buffer>

export interface WriteObjectInput {
  /** Folder of the set in the making. */
  readonly folder: string
  /** Path in the set. */
  readonly path: string
  readonly source: Source
  readonly codec: StoredObject['codec']
  /** Key of the set; null: the object is not encrypted. */
  readonly key: Buffer | null
  readonly signal?: AbortSignal | undefined
  /** Called with the size of each piece of plain bytes. */
  readonly onBytes?: ((bytes: number) => void) | undefined
}

/** Pieces this large make calls of the compressor rare enough not to count. */
const pieceBytes = 512 * 1024

/**
 * Writes one file of a set, down to the disk: one zstd frame, or the bytes as they are, encrypted if
 * the set is. Level 1 compresses text of jobs as well as 3 does, at twice the speed (measured).
 *
 * @throws KilnError DISK_FULL, PERMISSION_DENIED; what the source throws.
 */
export async function writeObject(input: WriteObjectInput): Promise<StoredObject> {
  const file = path.join(input.folder, ...input.path.split('/'))
  await mkdir(path.dirname(file), { recursive: true, mode: 0o700 }).catch((error: unknown) => {
    throw fileError(error, path.dirname(file))
  })
  const handle = await open(file, 'wx', 0o600).catch((error: unknown) => {
    throw fileError(error, file)
  })
  try {
    const sink = new Sink(handle, file)
    let plainBytes = 0
    const counted = (bytes: number): void => {
      plainBytes += bytes
      input.onBytes?.(bytes)
    }
    const stages = [
      inPieces(input.source, counted),
      ...(input.codec === 'zstd' ? [compressed] : []),
      ...(input.key ? [encryptor(input.key, input.path)] : []),
      (source: Source) => sink.take(source),
    ]
    await pipeline(
      stages as unknown as [NodeJS.ReadableStream, NodeJS.WritableStream],
      input.signal ? { signal: input.signal } : {},
    ).catch((error: unknown) => {
      // The pipeline says only that it was aborted.
      input.signal?.throwIfAborted()
      throw error
    })
    await handle.sync().catch((error: unknown) => {
      throw fileError(error, file)
    })
    return { path: input.path, codec: input.codec, plainBytes, ...sink.result() }
  } finally {
    await handle.close()
  }
}

/** Where the bytes go as they are stored. */
class Sink {
  readonly #handle: FileHandle
  readonly #file: string
  readonly #hash = createHash('sha256')
  #bytes = 0

  constructor(handle: FileHandle, file: string) {
    this.#handle = handle
    this.#file = file
  }

  async take(source: Source): Promise<void> {
    for await (const chunk of source) {
      this.#hash.update(chunk)
      await this.#write(chunk)
    }
  }

  async #write(chunk: Buffer): Promise<void> {
    try {
      for (let done = 0; done < chunk.length;) {
        done += (await this.#handle.write(chunk, done)).bytesWritten
      }
    } catch (error) {
      throw fileError(error, this.#file)
    }
    this.#bytes += chunk.length
  }

  result(): { readonly storedBytes: number; readonly sha256: string } {
    return { storedBytes: this.#bytes, sha256: this.#hash.digest('hex') }
  }
}

/** Joins what comes in small pieces: the server sends a row at a time. */
async function* inPieces(source: Source, counted: (bytes: number) => void): AsyncGenerator<Buffer> {
  let parts: Buffer[] = []
  let size = 0
  for await (const chunk of source) {
    counted(chunk.length)
    parts.push(chunk)
    size += chunk.length
    if (size < pieceBytes) continue
    yield parts.length === 1 ? chunk : Buffer.concat(parts, size)
    parts = []
    size = 0
  }
  if (size > 0) yield Buffer.concat(parts, size)
}

/**
 * One zstd frame. A piece is asked for only when the one before is used up, so that the source may fill
 * its memory again. Without worker threads of zstd's own: large streams fail with them in Node 24.
 */
async function* compressed(source: Source): AsyncGenerator<Buffer> {
  const compressor = createZstdCompress({
    chunkSize: 256 * 1024,
    params: {
      [constants.ZSTD_c_compressionLevel]: 1,
      [constants.ZSTD_c_checksumFlag]: 1,
    },
  })
  const feed = async (): Promise<void> => {
    for await (const piece of source) {
      await new Promise<void>((resolve, reject) => {
        compressor.write(piece, (error) => (error ? reject(error) : resolve()))
      })
    }
    compressor.end()
  }
  void feed().catch((error: unknown) => compressor.destroy(error as Error))
  // Who stops taking destroys it, and what is fed then is refused, which ends the feeding.
  yield* compressor as AsyncIterable<Buffer>
}

/** A random salt, then segments of a fixed size, each with its tag. */
function encryptor(key: Buffer, objectPath: string) {
  return async function* (source: Source): AsyncGenerator<Buffer> {
    const salt = randomBytes(16)
    const fileKey = objectKey(key, salt, objectPath)
    let index = 0
    const seal = (plain: Buffer, isLast: boolean): Buffer => {
      const cipher = createCipheriv('aes-256-gcm', fileKey, segmentIv(index, isLast))
      index += 1
      return Buffer.concat([cipher.update(plain), cipher.final(), cipher.getAuthTag()])
    }
    yield salt
    let rest: Buffer = Buffer.alloc(0)
    for await (const chunk of source) {
      rest = rest.length === 0 ? chunk : Buffer.concat([rest, chunk])
      // One that is just full may be the last.
      while (rest.length > segmentBytes) {
        yield seal(rest.subarray(0, segmentBytes), false)
        rest = rest.subarray(segmentBytes)
      }
    }
    yield seal(rest, true)
  }
}
