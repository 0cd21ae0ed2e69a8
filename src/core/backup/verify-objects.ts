import { stat } from 'node:fs/promises'
import { errorCodeOf, isKilnError } from '../errors/index.ts'
import { fileError } from '../os/index.ts'
import { type StoredObject, objectsOf } from './manifest.ts'
import type { BackupSet } from './open-set.ts'
import { objectFile, readStored } from './read-object.ts'

/** Something that is not as it was written. */
export interface VerifyFinding {
  /** Path in the set, or what of its content is wrong: `analysis_jobs`. */
  readonly object: string
  readonly reason: string
}

export interface VerifyObjectsOptions {
  /** `quick`: every object is there in its size. `full`: every stored byte is what was written. */
  readonly level: 'quick' | 'full'
  readonly signal?: AbortSignal | undefined
  readonly onBytes?: ((bytes: number) => void) | undefined
}

/** Reads of two files overlap: one is hashed while the other comes from the disk. */
const atOnce = 2

/**
 * What of the set's objects is not as its manifest says; empty when all is well. The manifest itself
 * was checked when the set was opened. No key is needed: digests are over stored bytes.
 */
export async function verifyObjects(
  set: Pick<BackupSet, 'folder' | 'manifest'>,
  options: VerifyObjectsOptions,
): Promise<readonly VerifyFinding[]> {
  const findings: VerifyFinding[] = []
  const objects = objectsOf(set.manifest)[Symbol.iterator]()
  const check = async (): Promise<void> => {
    for (const object of objects) {
      options.signal?.throwIfAborted()
      const reason = await (options.level === 'quick'
        ? checkSize(set, object)
        : checkBytes(set, object, options))
      if (reason !== undefined) findings.push({ object: object.path, reason })
    }
  }
  await Promise.all(Array.from({ length: atOnce }, check))
  return findings.toSorted((a, b) => a.object.localeCompare(b.object))
}

async function checkSize(
  set: Pick<BackupSet, 'folder'>,
  object: StoredObject,
): Promise<string | undefined> {
  const file = objectFile(set, object)
  try {
    const { size } = await stat(file)
    if (size === object.storedBytes) return undefined
    return `it has ${size} bytes instead of ${object.storedBytes}`
  } catch (error) {
    if (errorCodeOf(error) === 'ENOENT') return 'it is missing'
    throw fileError(error, file)
  }
}

async function checkBytes(
  set: Pick<BackupSet, 'folder'>,
  object: StoredObject,
  { signal, onBytes }: VerifyObjectsOptions,
): Promise<string | undefined> {
  try {
    for await (const chunk of readStored(set, object)) {
      signal?.throwIfAborted()
      onBytes?.(chunk.length)
    }
    return undefined
  } catch (error) {
    // A disk that cannot read its blocks has a damaged set as well.
    if (!isKilnError(error, 'BACKUP_DAMAGED', 'FILE_UNREADABLE')) throw error
    return error.message.replace(`${object.path} is damaged: `, '')
  }
}
