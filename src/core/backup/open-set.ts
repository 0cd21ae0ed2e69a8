import { KilnError, isKilnError } from '../errors/index.ts'
import { segmentBytes, unwrapKey } from './encryption.ts'
import { isSetId, setFolderOf } from './layout.ts'
import type { BackupPart, Manifest } from './manifest.ts'
import { checkSeal, readManifest } from './manifest-file.ts'
import type { ObjectSource } from './read-object.ts'
import { type Repository, listSetIds } from './repository.ts'

/** A set with a sound manifest. Whether its objects are sound is what verifying tells. */
export interface BackupSet extends ObjectSource {
  readonly id: string
  readonly repository: Repository
  readonly folder: string
  readonly manifest: Manifest
  /** SHA-256 of the manifest's text: it names the content of the whole set. */
  readonly digest: string
  /** Key of an encrypted set, when the passphrase was given. */
  readonly key: Buffer | null
}

export interface OpenSetInput {
  /** Id of a set, the beginning of one, or `latest`: the newest complete one. */
  readonly name: string
  /** `latest` is the newest that has it. */
  readonly part?: BackupPart | undefined
  readonly passphrase?: string | undefined
}

/**
 * Opens a set. Without a passphrase an encrypted one can be looked at and its stored bytes verified,
 * but not read; use `requireReadable` before that.
 *
 * @throws KilnError BACKUP_NOT_FOUND, BACKUP_DAMAGED, BACKUP_FORMAT_NEWER, BACKUP_PASSPHRASE_WRONG.
 */
export async function openSet(
  repository: Repository,
  { passphrase, ...named }: OpenSetInput,
): Promise<BackupSet> {
  const id = await findSetId(repository, named)
  const folder = setFolderOf(repository.path, id)
  const file = await readManifest(folder)
  const { encryption } = file.manifest
  const key =
    encryption && passphrase !== undefined ? await unwrapKey(id, encryption, passphrase) : null
  if (key) checkSeal(file, key)
  return {
    id,
    repository,
    folder,
    manifest: file.manifest,
    digest: file.digest,
    key,
    segmentBytes: encryption?.segmentBytes ?? segmentBytes,
  }
}

/** The id of a set that is named; whether it is sound is not looked at. */
export function findSetId(
  repository: Repository,
  { name, part }: Pick<OpenSetInput, 'name' | 'part'>,
): Promise<string> {
  return name === 'latest' ? latest(repository, part) : resolveId(repository, name)
}

/** @throws KilnError BACKUP_PASSPHRASE_MISSING for an encrypted set that was opened without one. */
export function requireReadable({ id, manifest, key }: BackupSet): void {
  if (manifest.encryption === null || key !== null) return
  throw new KilnError('BACKUP_PASSPHRASE_MISSING', `${id} is encrypted`, {
    hint: 'name the file of its passphrase: --passphrase-file FILE',
  })
}

async function resolveId(repository: Repository, name: string): Promise<string> {
  if (isSetId(name)) return name
  const ids = (await listSetIds(repository)).filter((id) => name !== '' && id.startsWith(name))
  const [only] = ids
  if (only !== undefined && ids.length === 1) return only
  if (ids.length === 0) {
    throw new KilnError('BACKUP_NOT_FOUND', `${repository.path} has no set ${name}`, {
      hint: 'look which there are: kiln backup list',
    })
  }
  throw new KilnError('USAGE', `${ids.length} sets begin with ${name}`, {
    hint: 'give the whole id: kiln backup list',
  })
}

/** A partial set is never taken by itself: who wants one names it. */
async function latest(repository: Repository, part: BackupPart | undefined): Promise<string> {
  for (const id of (await listSetIds(repository)).toReversed()) {
    try {
      const { manifest } = await readManifest(setFolderOf(repository.path, id))
      const hasPart = part === undefined || manifest.parts.includes(part)
      if (manifest.status === 'complete' && hasPart) return id
    } catch (error) {
      // One that was never finished is none. A damaged one must not be passed over in silence.
      if (!isKilnError(error, 'BACKUP_NOT_FOUND')) throw error
    }
  }
  throw new KilnError(
    'BACKUP_NOT_FOUND',
    `${repository.path} has no complete set${part === undefined ? '' : ` with ${part}`}`,
    {
      hint: 'make one: kiln backup create',
    },
  )
}
