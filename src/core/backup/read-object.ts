import { createDecipheriv, createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { stat } from 'node:fs/promises'
import path from 'node:path'
import { type Readable, pipeline } from 'node:stream'
import { createZstdDecompress } from 'node:zlib'
import { KilnError, errorCodeOf, isKilnError, messageOf } from '../errors/index.ts'
import { fileError } from '../os/index.ts'
import { objectKey, segmentIv } from './encryption.ts'
import type { StoredObject } from './manifest.ts'

/** What reading needs to know of a set; a `BackupSet` is one. */
export interface ObjectSource {
  readonly folder: string
  readonly key: Buffer | null
  readonly segmentBytes: number
}

const saltBytes = 16
const tagBytes = 16
const readBytes = 512 * 1024

export const objectFile = (set: Pick<ObjectSource, 'folder'>, object: { readonly path: string }) =>
  path.join(set.folder, ...object.path.split('/'))

/**
 * The plain bytes of an object. What comes is not proven before the end: the sizes and the digest of
 * the stored bytes are compared there, so the reader must be able to undo what it did with them.
 *
 * @throws KilnError BACKUP_DAMAGED naming the file, when iterated.
 */
export async function* readObject(set: ObjectSource, object: StoredObject): AsyncGenerator<Buffer> {
  const proof = { isGiven: false }
  let plainBytes = 0
  try {
    for await (const chunk of plainOf(set, object, proof)) {
      plainBytes += chunk.length
      // A bomb must not be unpacked first.
      if (plainBytes > object.plainBytes) break
      yield chunk
    }
  } catch (error) {
    if (isKilnError(error)) throw error
    throw damagedObject(object, messageOf(error), error)
  }
  if (plainBytes !== object.plainBytes) {
    throw damagedObject(object, `it holds ${plainBytes} bytes instead of ${object.plainBytes}`)
  }
  // The decompressor ends with the first frame, and says nothing of what is behind it.
  if (!proof.isGiven) throw damagedObject(object, 'there is something behind its end')
}

/** The bytes as they are stored, compared with the manifest at the end. */
export async function* readStored(
  set: Pick<ObjectSource, 'folder'>,
  object: StoredObject,
): AsyncGenerator<Buffer> {
  const file = objectFile(set, object)
  const hash = createHash('sha256')
  let bytes = 0
  try {
    const { size } = await stat(file)
    if (size !== object.storedBytes) {
      throw damagedObject(object, `it has ${size} bytes instead of ${object.storedBytes}`)
    }
    for await (const chunk of createReadStream(file, { highWaterMark: readBytes })) {
      hash.update(chunk as Buffer)
      bytes += (chunk as Buffer).length
      yield chunk as Buffer
    }
  } catch (error) {
    if (errorCodeOf(error) === 'ENOENT') throw damagedObject(object, 'it is missing', error)
    throw fileError(error, file)
  }
  if (bytes !== object.storedBytes || hash.digest('hex') !== object.sha256) {
    throw damagedObject(object, 'its SHA-256 does not match')
  }
}

export function damagedObject(object: StoredObject, reason: string, cause?: unknown): KilnError {
  return new KilnError('BACKUP_DAMAGED', `${object.path} is damaged: ${reason}`, {
    hint: 'use another set: kiln backup list',
    details: { path: object.path },
    cause,
  })
}

function plainOf(
  set: ObjectSource,
  object: StoredObject,
  proof: { isGiven: boolean },
): AsyncIterable<Buffer> {
  const stored = proven(readStored(set, object), proof)
  const clear = set.key ? decrypt(stored, set.key, set.segmentBytes, object) : stored
  if (object.codec === 'none') return clear
  const decompressor = createZstdDecompress({ chunkSize: readBytes })
  // The error reaches the reader through the last stream.
  return pipeline(clear, decompressor, () => undefined) as unknown as Readable
}

async function* proven(
  stored: AsyncIterable<Buffer>,
  proof: { isGiven: boolean },
): AsyncGenerator<Buffer> {
  yield* stored
  proof.isGiven = true
}

async function* decrypt(
  stored: AsyncIterable<Buffer>,
  key: Buffer,
  segmentBytes: number,
  object: StoredObject,
): AsyncGenerator<Buffer> {
  let fileKey: Buffer | undefined
  let index = 0
  const open = (sealed: Buffer, isLast: boolean): Buffer => {
    try {
      const decipher = createDecipheriv('aes-256-gcm', fileKey ?? '', segmentIv(index, isLast))
      index += 1
      decipher.setAuthTag(sealed.subarray(-tagBytes))
      return Buffer.concat([decipher.update(sealed.subarray(0, -tagBytes)), decipher.final()])
    } catch (error) {
      throw damagedObject(object, 'it was changed after it was encrypted', error)
    }
  }
  let rest: Buffer = Buffer.alloc(0)
  for await (const chunk of stored) {
    rest = rest.length === 0 ? chunk : Buffer.concat([rest, chunk])
    if (fileKey === undefined) {
      if (rest.length < saltBytes) continue
      fileKey = objectKey(key, rest.subarray(0, saltBytes), object.path)
      rest = rest.subarray(saltBytes)
    }
    while (rest.length > segmentBytes + tagBytes) {
      yield open(rest.subarray(0, segmentBytes + tagBytes), false)
      rest = rest.subarray(segmentBytes + tagBytes)
    }
  }
  if (rest.length < tagBytes) throw damagedObject(object, 'it is cut off')
  yield open(rest, true)
}
