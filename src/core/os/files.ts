import { randomUUID } from 'node:crypto'
import { constants } from 'node:fs'
import { access, link, mkdir, open, rename, rm } from 'node:fs/promises'
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
  const temporary = await writeBeside(file, content, mode)
  try {
    // If we die here, the old file is untouched and cleanup removes the temporary one.
    await rename(temporary, file)
    await syncFolder(path.dirname(file))
  } catch (error) {
    await rm(temporary, { force: true })
    throw fileError(error, file)
  }
}

/**
 * Writes a file that must not be there yet, whole or not at all: one that comes between is not
 * written over. With `force` it may be there.
 *
 * @throws KilnError FILE_EXISTS, FILE_NOT_FOUND for a folder that does not exist, DISK_FULL,
 *   PERMISSION_DENIED.
 */
export async function writeNewFile(
  file: string,
  content: string | Uint8Array,
  { force, mode = 0o600 }: { readonly force: boolean; readonly mode?: number },
): Promise<void> {
  if (force) return writeFileAtomically(file, content, mode)
  const temporary = await writeBeside(file, content, mode)
  try {
    // link(2) fails when the name is taken.
    await link(temporary, file)
    await syncFolder(path.dirname(file))
  } catch (error) {
    if (errorCodeOf(error) !== 'EEXIST') throw fileError(error, file)
    throw new KilnError('FILE_EXISTS', `${file} exists`, {
      hint: 'choose another name, or add --force to write over it',
    })
  } finally {
    await rm(temporary, { force: true })
  }
}

/** Writes the content, down to the disk, into a temporary file of the same folder. */
async function writeBeside(
  file: string,
  content: string | Uint8Array,
  mode: number,
): Promise<string> {
  const temporary = `${file}.${randomUUID()}.tmp`
  try {
    const handle = await open(temporary, 'wx', mode)
    try {
      await handle.writeFile(content)
      await handle.sync()
    } finally {
      await handle.close()
    }
    return temporary
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
    if (!['EEXIST', 'ENOTDIR'].includes(errorCodeOf(error) ?? '')) throw fileError(error, folder)
    throw new KilnError('FILE_EXISTS', `${folder} cannot be a folder: a file is in its place`, {
      hint: 'name another folder, or move the file away',
      cause: error,
    })
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

/** The folder itself, or the nearest one above it that is there, in which it would be made. */
export async function nearestFolder(folder: string): Promise<string> {
  const parent = path.dirname(folder)
  return parent === folder || (await fileExists(folder)) ? folder : nearestFolder(parent)
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
