import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { mkdir, open, rename, rm } from 'node:fs/promises'
import path from 'node:path'
import { promisify } from 'node:util'
import { constants, zstdCompress } from 'node:zlib'
import type { Context } from '../context.ts'
import { KilnError, errorCodeOf, isKilnError } from '../errors/index.ts'
import { holdDatabase } from '../jobs/index.ts'
import {
  type DataFolder,
  fileError,
  fileExists,
  projectDatabasePath,
  syncFolder,
} from '../os/index.ts'
import { withOpenDatabase } from '../projects/index.ts'
import { fingerprintDatabase } from './fingerprint-database.ts'
import type { BackedUpDuckdb, StoredObject } from './manifest.ts'
import { objectFile } from './read-object.ts'
import { writeObject } from './write-object.ts'

export interface CopyDatabaseInput {
  readonly projectId: string
  readonly dataFolder: DataFolder
  /** Folder of the set in the making. */
  readonly folder: string
  readonly key: Buffer | null
  /** How long to wait for who writes it. */
  readonly waitMs: number
  readonly onBytes: (bytes: number) => void
}

/** A copy whose bytes are on the disk. */
interface RawCopy {
  readonly file: string
  readonly bytes: number
  readonly sha256: string
}

/**
 * Puts a project's database into the set; a text says why it cannot be. It is copied while a reader's
 * slot is held, and while another process has it open read-only, so that nobody writes it; this process
 * never opens it in DuckDB, since closing any descriptor would drop DuckDB's lock (a writer's data were
 * lost so in a trial). Then the copy is opened and read to its last row.
 */
export async function copyDatabase(
  context: Context,
  input: CopyDatabaseInput,
): Promise<BackedUpDuckdb | string> {
  const { projectId, dataFolder } = input
  const scratch: DataFolder = { path: path.join(input.folder, 'scratch'), id: dataFolder.id }
  try {
    const copies = await copyUnderSlot(context, input, scratch)
    const { duckdbVersion, tables } = await fingerprintDatabase(context, scratch, projectId)
    const name = path.basename(copies.file.file, '.duckdb')
    const store = (copy: RawCopy) =>
      storeCopy(copy, `duckdb/${name}/${path.basename(copy.file)}`, input, context.signal)
    const file = await store(copies.file)
    const log = copies.log === null ? null : await store(copies.log)
    return { projectId, homeFolder: dataFolder.id, file, log, duckdbVersion, tables: [...tables] }
  } catch (error) {
    if (!isKilnError(error, ...reasons)) throw error
    return error.message
  } finally {
    await rm(scratch.path, { recursive: true, force: true })
  }
}

/** What keeps one database out of a set; anything else ends the backup. */
const reasons = [
  'PROJECT_DATABASE_BUSY',
  'DATASOURCE_ERROR',
  'FILE_NOT_FOUND',
  'FILE_UNREADABLE',
  'PERMISSION_DENIED',
] as const

async function copyUnderSlot(
  context: Context,
  { projectId, dataFolder, waitMs, onBytes }: CopyDatabaseInput,
  scratch: DataFolder,
): Promise<{ readonly file: RawCopy; readonly log: RawCopy | null }> {
  const original = projectDatabasePath(dataFolder, projectId)
  const target = projectDatabasePath(scratch, projectId)
  await mkdir(path.dirname(target), { recursive: true, mode: 0o700 })
  const purpose = 'kiln backup create'
  const hold = await holdDatabase(context, { projectId, use: 'read', purpose, waitMs })
  try {
    const input = { projectId, use: 'read', dataFolder } as const
    return await withOpenDatabase(context, input, async () => {
      const copy = (suffix: string) =>
        copyFile(original + suffix, target + suffix, onBytes, context.signal)
      const file = await copy('')
      const log = (await fileExists(`${original}.wal`)) ? await copy('.wal') : null
      // One that stood still for so long that others wrote meanwhile has copied nothing of worth.
      await context.database.queries.transaction().execute((tx) => hold.confirm(tx))
      return { file, log }
    })
  } finally {
    await hold.release()
  }
}

/** Copies a file down to the disk, hashing while the disk works. */
export async function copyFile(
  from: string,
  to: string,
  onBytes: (bytes: number) => void,
  signal: AbortSignal,
): Promise<RawCopy> {
  const hash = createHash('sha256')
  let bytes = 0
  const handle = await open(to, 'wx', 0o600).catch((error: unknown) => {
    throw fileError(error, to)
  })
  try {
    for await (const chunk of read(from)) {
      signal.throwIfAborted()
      const writing = writeAll(handle, chunk, to)
      hash.update(chunk)
      await writing
      bytes += chunk.length
      onBytes(chunk.length)
    }
    await handle.sync()
  } finally {
    await handle.close()
  }
  return { file: to, bytes, sha256: hash.digest('hex') }
}

async function* read(file: string): AsyncGenerator<Buffer> {
  try {
    for await (const chunk of createReadStream(file, { highWaterMark: 1024 * 1024 })) {
      yield chunk as Buffer
    }
  } catch (error) {
    throw errorCodeOf(error) === undefined ? error : fileError(error, file)
  }
}

async function writeAll(
  handle: Awaited<ReturnType<typeof open>>,
  chunk: Buffer,
  file: string,
): Promise<void> {
  try {
    for (let done = 0; done < chunk.length;) {
      done += (await handle.write(chunk, done)).bytesWritten
    }
  } catch (error) {
    throw fileError(error, file)
  }
}

/** As it is when that is as good: DuckDB compresses by itself, and zstd rarely saves a tenth. */
async function storeCopy(
  copy: RawCopy,
  objectPath: string,
  { folder, key }: CopyDatabaseInput,
  signal: AbortSignal,
): Promise<StoredObject> {
  const codec = (await isWorthCompressing(copy)) ? 'zstd' : 'none'
  if (codec === 'none' && key === null) {
    const target = objectFile({ folder }, { path: objectPath })
    await mkdir(path.dirname(target), { recursive: true, mode: 0o700 })
    await rename(copy.file, target)
    await syncFolder(path.dirname(target))
    const { bytes, sha256 } = copy
    return { path: objectPath, codec, storedBytes: bytes, plainBytes: bytes, sha256 }
  }
  const hash = createHash('sha256')
  const source = (async function* () {
    for await (const chunk of read(copy.file)) {
      hash.update(chunk)
      yield chunk
    }
  })()
  const object = await writeObject({ folder, path: objectPath, source, codec, key, signal })
  if (hash.digest('hex') === copy.sha256) return object
  throw new KilnError('FILE_UNREADABLE', `${copy.file} is not what was written into it`, {
    hint: 'check the disk of the repository',
  })
}

const probeBytes = 4 * 1024 * 1024

async function isWorthCompressing({ file, bytes }: RawCopy): Promise<boolean> {
  const handle = await open(file, 'r')
  try {
    const length = Math.min(bytes, probeBytes)
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(length), 0, length, 0)
    const params = { [constants.ZSTD_c_compressionLevel]: 1 }
    const packed = await promisify(zstdCompress)(buffer.subarray(0, bytesRead), { params })
    return packed.length < 0.9 * bytesRead
  } finally {
    await handle.close()
  }
}
