import { randomUUID } from 'node:crypto'
import { mkdir } from 'node:fs/promises'
import path from 'node:path'
import type { Context } from '../context.ts'
import { promptDatabase } from '../database/index.ts'
import { KilnError, messageOf } from '../errors/index.ts'
import { fileExists } from '../os/index.ts'
import { setFolderOf, temporaryFolderOf } from './layout.ts'
import { type Manifest, objectsOf } from './manifest.ts'
import { readManifest } from './manifest-file.ts'
import { type OnBackupProgress, PhaseMeter } from './progress.ts'
import { moveIntoPlace, removeUnfinishedSets, removeTree, syncFolders } from './publish-set.ts'
import { recordBackup } from './record-backup.ts'
import { lockRepository } from './repository-lock.ts'
import { ensureRepository } from './repository.ts'
import { unpackSet } from './unpack-set.ts'
import { verifyObjects } from './verify-objects.ts'

export interface ImportBackupInput {
  readonly repository: string
  readonly file: string
  readonly waitMs?: number | undefined
  readonly onProgress?: OnBackupProgress | undefined
}

export interface ImportedBackup {
  readonly id: string
  readonly path: string
  readonly manifest: Manifest
  readonly warnings: readonly string[]
}

/** Of the row in the list of backups. */
const answerMs = 60_000

/**
 * Takes a set out of an archive that `exportBackup` made into the repository, after all of it was
 * verified. Archives are hostile until then: only regular files of the names that a set has are
 * written, below a folder of their own.
 *
 * @throws KilnError FILE_EXISTS for a set that is there, BACKUP_DAMAGED, BACKUP_FORMAT_NEWER, DISK_FULL.
 */
export async function importBackup(
  { database, ...given }: Context,
  input: ImportBackupInput,
): Promise<ImportedBackup> {
  const context = { ...given, database: promptDatabase(database, answerMs) }
  const { signal } = context
  const repository = await ensureRepository(path.resolve(input.repository))
  const lock = await lockRepository(repository, {
    purpose: 'kiln backup import',
    waitMs: input.waitMs ?? 0,
    signal,
    database,
    isDatabaseOptional: true,
  })
  const temporary = path.join(temporaryFolderOf(repository.path), `import-${randomUUID()}`)
  try {
    await removeUnfinishedSets(repository)
    await mkdir(temporary, { mode: 0o700 })
    const meter = new PhaseMeter('import', null, input.onProgress)
    const { id, names } = await unpackSet(input.file, temporary, signal, meter.addBytes)
    const folder = path.join(temporary, id)
    const read = await readManifest(folder)
    const { manifest } = read
    await requireSound(folder, manifest, names, signal)
    const target = setFolderOf(repository.path, id)
    if (await fileExists(target)) {
      throw new KilnError('FILE_EXISTS', `${repository.path} has the set ${id}`, {
        hint: `look at it: kiln backup show ${id}`,
      })
    }
    await syncFolders(folder)
    await lock.confirm()
    await moveIntoPlace(repository, folder, id)
    const warnings: string[] = []
    await recordBackup(context, repository, read, 'backup.import').catch(
      (error: unknown) => void warnings.push(`analysis_backups: ${messageOf(error)}`),
    )
    return { id, path: target, manifest, warnings }
  } finally {
    await removeTree(temporary).catch(() => undefined)
    await lock.release()
  }
}

async function requireSound(
  folder: string,
  manifest: Manifest,
  names: ReadonlySet<string>,
  signal: AbortSignal,
): Promise<void> {
  const wanted = new Set(objectsOf(manifest).map((object) => object.path))
  const strange = [...names].find((name) => !wanted.has(name))
  const findings = await verifyObjects({ folder, manifest }, { level: 'full', signal })
  const [first] = findings
  const problem = first
    ? `${first.object}: ${first.reason}`
    : strange === undefined
      ? undefined
      : `${strange}: the manifest does not name it`
  if (problem === undefined) return
  throw new KilnError('BACKUP_DAMAGED', `the archive is damaged: ${problem}`, {
    hint: 'export the set again',
    details: { findings },
  })
}
