import { randomUUID } from 'node:crypto'
import { mkdir, readFile, readdir } from 'node:fs/promises'
import path from 'node:path'
import { z } from 'zod'
import { KilnError, errorCodeOf } from '../errors/index.ts'
import { ensurePrivateFolder, fileError, syncFolder, writeNewFile } from '../os/index.ts'
import { toCamelCase } from './key-case.ts'
import { isSetId, layout, setsFolderOf, temporaryFolderOf } from './layout.ts'

/** A folder of backup sets. */
export interface Repository {
  readonly path: string
  readonly id: string
}

const repositoryFormat = 1

const repositorySchema = z.object({ format: z.int(), id: z.uuid(), createdAt: z.string() })

/**
 * Opens the repository in a folder.
 *
 * @throws KilnError BACKUP_REPOSITORY_MISSING, BACKUP_FORMAT_NEWER, BACKUP_DAMAGED.
 */
export async function openRepository(folder: string): Promise<Repository> {
  const file = path.join(folder, layout.repositoryFile)
  let text: string
  try {
    text = await readFile(file, 'utf8')
  } catch (error) {
    if (!['ENOENT', 'ENOTDIR'].includes(errorCodeOf(error) ?? '')) throw fileError(error, file)
    throw new KilnError('BACKUP_REPOSITORY_MISSING', `${folder} is no repository of backups`, {
      hint: 'name one with --repo or BACKUP_REPOSITORY; kiln backup create makes it',
    })
  }
  const found = repositorySchema.safeParse(parseOrNull(text))
  if (!found.success) {
    throw new KilnError('BACKUP_DAMAGED', `${file} is damaged`, {
      hint: 'bring it back from a copy of the repository; the sets in it may be sound',
    })
  }
  if (found.data.format > repositoryFormat) {
    throw new KilnError(
      'BACKUP_FORMAT_NEWER',
      `${file} has format ${found.data.format}, this program reads up to ${repositoryFormat}`,
      { hint: 'use the version of Kiln that made it, or a newer one' },
    )
  }
  return { path: folder, id: found.data.id }
}

/**
 * Opens the repository, making it in a folder that is new or empty. Two that make it at once agree.
 *
 * @throws KilnError what `openRepository` throws; FILE_EXISTS for a folder that holds other things.
 */
export async function ensureRepository(folder: string): Promise<Repository> {
  await ensurePrivateFolder(folder)
  const names = await readdir(folder).catch((error: unknown) => {
    throw fileError(error, folder)
  })
  const isOurs = (name: string): boolean =>
    name.startsWith(layout.repositoryFile) || Object.values<string>(layout).includes(name)
  if (!names.includes(layout.repositoryFile)) {
    const other = names.find((name) => !isOurs(name) && name !== 'lost+found')
    if (other !== undefined) {
      throw new KilnError('FILE_EXISTS', `${folder} is no repository and holds ${other}`, {
        hint: 'name a new or empty folder with --repo',
      })
    }
    await create(folder)
  }
  const repository = await openRepository(folder)
  for (const inner of [setsFolderOf(folder), temporaryFolderOf(folder)]) {
    await mkdir(inner, { recursive: true, mode: 0o700 }).catch((error: unknown) => {
      throw fileError(error, inner)
    })
  }
  await syncFolder(folder)
  return repository
}

async function create(folder: string): Promise<void> {
  const content = {
    format: repositoryFormat,
    id: randomUUID(),
    created_at: new Date().toISOString(),
  }
  const file = path.join(folder, layout.repositoryFile)
  await writeNewFile(file, `${JSON.stringify(content)}\n`, { force: false }).catch(
    (error: unknown) => {
      if (!(error instanceof KilnError) || error.code !== 'FILE_EXISTS') throw error
    },
  )
}

/** Ids of the folders of sets, oldest first, whether or not they are whole. */
export async function listSetIds(repository: Pick<Repository, 'path'>): Promise<readonly string[]> {
  const folder = setsFolderOf(repository.path)
  const names = await readdir(folder).catch((error: unknown) => {
    if (errorCodeOf(error) === 'ENOENT') return []
    throw fileError(error, folder)
  })
  return names.filter(isSetId).toSorted()
}

function parseOrNull(text: string): unknown {
  try {
    return toCamelCase(JSON.parse(text))
  } catch {
    // The schema refuses it.
    return null
  }
}
