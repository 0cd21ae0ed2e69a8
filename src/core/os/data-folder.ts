import { randomUUID } from 'node:crypto'
import { link, mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { errorCodeOf } from '../errors/index.ts'
import { isRoot } from './accounts.ts'
import { fileError } from './files.ts'
import { giveToOwnerOf } from './give-to-owner.ts'

/** The folder that holds results, project databases, job folders and the private Postgres. */
export interface DataFolder {
  readonly path: string
  /** Stays the same wherever the folder is mounted; rows in the database refer to it. */
  readonly id: string
}

/**
 * Opens the data folder, creating it with an id when it is new. Two processes that create
 * it at once agree on one id.
 */
export async function openDataFolder(folder: string): Promise<DataFolder> {
  await ensureDataFolder(folder)
  const known = await findDataFolder(folder)
  if (known) return known
  const file = path.join(folder, 'folder-id')
  const temporary = `${file}.${randomUUID()}.tmp`
  try {
    await writeFile(temporary, `${randomUUID()}\n`, { mode: 0o600 })
    await giveToOwnerOf(folder, [temporary])
    // link(2) fails when the name is taken, so the first one wins and nobody reads half an id.
    await link(temporary, file).catch((error: unknown) => {
      if (errorCodeOf(error) !== 'EEXIST') throw error
    })
  } catch (error) {
    throw fileError(error, file)
  } finally {
    await rm(temporary, { force: true })
  }
  const id = await readId(file)
  if (!id) throw fileError(new Error('it holds no id'), file)
  return { path: folder, id }
}

/**
 * The data folder as it is: undefined when the folder is absent or has never been used as one.
 * Nothing is made, so that whoever only looks, or deletes, makes no folder Kiln's.
 */
export async function findDataFolder(folder: string): Promise<DataFolder | undefined> {
  const id = await readId(path.join(folder, 'folder-id'))
  return id === undefined ? undefined : { path: folder, id }
}

/**
 * Creates the data folder if it is absent, for its owner alone. Root's may be passed through by
 * others (0711), though not listed: the accounts that root runs Postgres and sandboxes as must
 * reach their own folders inside, and what lies in it is closed by its own mode.
 */
export async function ensureDataFolder(folder: string): Promise<void> {
  try {
    await mkdir(folder, { recursive: true, mode: isRoot() ? 0o711 : 0o700 })
  } catch (error) {
    throw fileError(error, folder)
  }
}

async function readId(file: string): Promise<string | undefined> {
  try {
    const text = (await readFile(file, 'utf8')).trim()
    return /^[0-9a-f-]{36}$/.test(text) ? text : undefined
  } catch (error) {
    if (['ENOENT', 'ENOTDIR'].includes(errorCodeOf(error) ?? '')) return undefined
    throw fileError(error, file)
  }
}
