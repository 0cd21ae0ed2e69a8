import { readdir, rename, rm } from 'node:fs/promises'
import path from 'node:path'
import { errorCodeOf } from '../errors/index.ts'
import { fileError, syncFolder } from '../os/index.ts'
import { isClaimed } from './drill-owner.ts'
import { layout, setFolderOf, setsFolderOf, temporaryFolderOf } from './layout.ts'
import type { Manifest } from './manifest.ts'
import { type ManifestFile, writeManifest } from './manifest-file.ts'
import { type Repository, listSetIds } from './repository.ts'
import type { RepositoryLock } from './repository-lock.ts'

/**
 * Makes a set of a folder in `tmp/` whose files are on the disk. If we die before the rename there is
 * no set, and the next backup removes the folder; after it there is one, manifest and all.
 */
export async function publishSet(
  repository: Repository,
  lock: RepositoryLock,
  folder: string,
  manifest: Manifest,
  key: Buffer | null,
): Promise<ManifestFile> {
  await syncFolders(folder)
  const written = await writeManifest(folder, manifest, key)
  await lock.confirm()
  await moveIntoPlace(repository, folder, manifest.id)
  return written
}

/** Gives a finished folder its name among the sets. */
export async function moveIntoPlace(
  repository: Repository,
  folder: string,
  id: string,
): Promise<void> {
  const target = setFolderOf(repository.path, id)
  try {
    await rename(folder, target)
    await syncFolder(path.dirname(target))
    await syncFolder(path.dirname(folder))
  } catch (error) {
    throw fileError(error, target)
  }
}

/** Makes the names of all files in a folder survive a power cut. */
export async function syncFolders(folder: string): Promise<void> {
  for (const entry of await readdir(folder, { withFileTypes: true, recursive: true })) {
    if (entry.isDirectory()) await syncFolder(path.join(entry.parentPath, entry.name))
  }
  await syncFolder(folder)
}

/**
 * Removes what those left behind who died: sets in the making, and sets without a manifest, whose
 * removal was begun. Only the holder of the lock may; drills work without it.
 */
export async function removeUnfinishedSets(repository: Repository): Promise<void> {
  const temporary = temporaryFolderOf(repository.path)
  const names = await readdir(temporary).catch(() => [])
  for (const name of names) {
    const folder = path.join(temporary, name)
    if (!(await isClaimed(folder))) await removeTree(folder)
  }
  for (const id of await listSetIds(repository)) {
    const folder = setFolderOf(repository.path, id)
    const files = await readdir(folder).catch((error: unknown) => {
      // Not ours: no folder at all.
      if (errorCodeOf(error) === 'ENOTDIR') return undefined
      throw fileError(error, folder)
    })
    if (files && !files.includes(layout.manifestFile)) await removeTree(folder)
  }
  await syncFolder(setsFolderOf(repository.path))
}

export async function removeTree(folder: string): Promise<void> {
  // A pg_dump whose backup was killed may write there for a moment more.
  await rm(folder, { recursive: true, force: true, maxRetries: 5 }).catch((error: unknown) => {
    throw fileError(error, folder)
  })
}
