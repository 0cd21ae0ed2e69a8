import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { chown, mkdir, open, rename, rm, stat } from 'node:fs/promises'
import path from 'node:path'
import { errorCodeOf } from '../../errors/index.ts'
import { fileError, isRoot, syncFolder } from '../../os/index.ts'

/** To whom what is restored belongs: root restores for the account of the service. */
export interface Owner {
  readonly uid: number
  readonly gid: number
}

/** The owner of a folder, if we may give files to it; undefined where what we make is ours. */
export async function ownerOf(folder: string): Promise<Owner | undefined> {
  if (!isRoot()) return undefined
  const { uid, gid } = await stat(folder)
  return { uid, gid }
}

/** Makes the folders below `root` that are missing, each for its owner alone. */
export async function makeFolders(
  root: string,
  folder: string,
  owner: Owner | undefined,
  mode = 0o700,
): Promise<void> {
  if (path.relative(root, folder).startsWith('..') || folder === root) return
  await makeFolders(root, path.dirname(folder), owner, mode)
  try {
    await mkdir(folder, { mode })
    if (owner) await chown(folder, owner.uid, owner.gid)
  } catch (error) {
    if (errorCodeOf(error) !== 'EEXIST') throw fileError(error, folder)
  }
}

/** Writes a file down to the disk; one that is there is written over. What failed is taken away. */
export async function writeFile(
  file: string,
  source: AsyncIterable<Buffer>,
  owner: Owner | undefined,
  onBytes?: (bytes: number) => void,
): Promise<void> {
  try {
    const handle = await open(file, 'w', 0o600)
    try {
      await handle.chmod(0o600)
      if (owner) await handle.chown(owner.uid, owner.gid)
      for await (const chunk of source) {
        await handle.writeFile(chunk)
        onBytes?.(chunk.length)
      }
      await handle.sync()
    } finally {
      await handle.close()
    }
  } catch (error) {
    await rm(file, { force: true }).catch(() => undefined)
    throw error instanceof Error && 'syscall' in error ? fileError(error, file) : error
  }
}

/** The same, under a temporary name first: a reader sees all of it or nothing. */
export async function writeWhole(
  file: string,
  source: AsyncIterable<Buffer>,
  owner: Owner | undefined,
): Promise<void> {
  const temporary = `${file}.restore.tmp`
  await writeFile(temporary, source, owner)
  // If we die here, cleanup removes the temporary file.
  await rename(temporary, file)
  await syncFolder(path.dirname(file))
}

/** SHA-256 of a file's bytes, hexadecimal; undefined when it is not there. */
export async function digestOf(file: string): Promise<string | undefined> {
  const hash = createHash('sha256')
  try {
    for await (const chunk of createReadStream(file)) hash.update(chunk as Buffer)
    return hash.digest('hex')
  } catch (error) {
    if (errorCodeOf(error) === 'ENOENT') return undefined
    throw fileError(error, file)
  }
}
