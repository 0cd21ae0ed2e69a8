import { KilnError, isKilnError } from '../errors/index.ts'
import { setFolderOf } from './layout.ts'
import type { Manifest } from './manifest.ts'
import { readManifest } from './manifest-file.ts'
import { findSetId } from './open-set.ts'
import { type Repository, listSetIds } from './repository.ts'
import { type Verification, readVerification } from './verification.ts'

/** A set as it lies in a repository. */
export type ListedBackup =
  | {
      readonly id: string
      readonly status: Manifest['status']
      readonly manifest: Manifest
      /** SHA-256 of the manifest's text. */
      readonly digest: string
      readonly verification: Verification | undefined
    }
  | {
      readonly id: string
      /** `newer`: another version of this program can read it. */
      readonly status: 'damaged' | 'newer'
      readonly reason: string
    }

/** All sets of the repository, oldest first. What has no manifest is none. */
export async function listBackups(repository: Repository): Promise<readonly ListedBackup[]> {
  const listed: ListedBackup[] = []
  for (const id of await listSetIds(repository)) {
    const found = await describe(repository, id)
    if (found) listed.push(found)
  }
  return listed
}

/**
 * One set, by its id, the beginning of one, or `latest`.
 *
 * @throws KilnError BACKUP_NOT_FOUND.
 */
export async function showBackup(repository: Repository, name: string): Promise<ListedBackup> {
  const id = await findSetId(repository, { name })
  const found = await describe(repository, id)
  if (found) return found
  throw new KilnError('BACKUP_NOT_FOUND', `${repository.path} has no set ${name}`, {
    hint: 'look which there are: kiln backup list',
  })
}

async function describe(repository: Repository, id: string): Promise<ListedBackup | undefined> {
  const folder = setFolderOf(repository.path, id)
  try {
    const { manifest, digest } = await readManifest(folder)
    const verification = await readVerification(folder, digest)
    return { id, status: manifest.status, manifest, digest, verification }
  } catch (error) {
    if (isKilnError(error, 'BACKUP_NOT_FOUND')) return undefined
    if (isKilnError(error, 'BACKUP_FORMAT_NEWER')) {
      return { id, status: 'newer', reason: error.message }
    }
    if (!isKilnError(error, 'BACKUP_DAMAGED', 'FILE_UNREADABLE')) throw error
    return { id, status: 'damaged', reason: error.message }
  }
}

/** True for a set that a restore can rely on, as far as is known: whole, and not found to be damaged. */
export function isGood(listed: ListedBackup): boolean {
  return listed.status === 'complete' && listed.verification?.isSound !== false
}
