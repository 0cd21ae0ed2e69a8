import { randomUUID } from 'node:crypto'
import { constants } from 'node:fs'
import { access, mkdir, open, rename, rm } from 'node:fs/promises'
import path from 'node:path'
import { KilnError, type KilnErrorOptions, errorCodeOf, messageOf } from '../errors/index.ts'

/**
 * Writes a file so that a reader, or the machine after a power cut, sees either the old content or
 * the whole new one: temporary file beside it, fsync, rename, fsync of the folder.
 */
export async function writeFileAtomically(
  file: string,
  content: string | Uint8Array,
  mode = 0o600,
): Promise<void> {
  const temporary = `${file}.${randomUUID()}.tmp`
  try {
    const handle = await open(temporary, 'wx', mode)
    try {
      await handle.writeFile(content)
      await handle.sync()
    } finally {
      await handle.close()
    }
    // If we die here, the old file is untouched and cleanup removes the temporary one.
    await rename(temporary, file)
    await syncFolder(path.dirname(file))
  } catch (error) {
    await rm(temporary, { force: true })
    throw fileError(error, file)
  }
}

/** Makes a rename or a new file in this folder survive a power cut. */
export async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}

/** Creates a folder that only its owner may enter, with its parents. Safe to repeat. */
export async function ensurePrivateFolder(folder: string): Promise<void> {
  try {
    await mkdir(folder, { recursive: true, mode: 0o700 })
  } catch (error) {
    throw fileError(error, folder)
  }
}

export async function fileExists(file: string): Promise<boolean> {
  try {
    await access(file, constants.F_OK)
    return true
  } catch {
    // Not there, or not ours to see: the caller's next step says which.
    return false
  }
}

/** Turns a file system error into a coded one that names the file. */
export function fileError(error: unknown, file: string): KilnError {
  if (error instanceof KilnError) return error
  const options: KilnErrorOptions = { cause: error }
  switch (errorCodeOf(error)) {
    case 'ENOENT':
      return new KilnError('FILE_NOT_FOUND', `no such file: ${file}`, {
        ...options,
        hint: 'check the path',
      })
    case 'ENOSPC':
    case 'EDQUOT':
      return new KilnError('DISK_FULL', `no space left for ${file}`, {
        ...options,
        hint: 'free space on the device, then run the command again',
      })
    case 'EACCES':
    case 'EPERM':
    case 'EROFS':
      return new KilnError('PERMISSION_DENIED', `not allowed to use ${file}`, {
        ...options,
        hint: 'check owner and mode of the file and of the folders above it',
      })
    case 'EISDIR':
      return new KilnError('FILE_UNREADABLE', `${file} is a folder, not a file`, {
        ...options,
        hint: 'name a file',
      })
    default:
      return new KilnError('FILE_UNREADABLE', `cannot use ${file}: ${messageOf(error)}`, options)
  }
}
