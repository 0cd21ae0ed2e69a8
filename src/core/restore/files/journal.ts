import { chmod, mkdir, readFile, readdir, rename, rm, stat } from 'node:fs/promises'
import path from 'node:path'
import { errorCodeOf } from '../../errors/index.ts'
import {
  type DataFolder,
  fileError,
  fileExists,
  interruptedRestoreMark,
  isRoot,
  syncFolder,
  writeFileAtomically,
} from '../../os/index.ts'

/**
 * A restore of project databases, as its folder in the data folder tells. Between `staged` and `done`
 * folders are renamed one by one: until it is `done` or undone nobody may open any of them.
 */
export interface FilesJournal {
  readonly id: string
  /** The set, or the archive. */
  readonly source: string
  /** Of a set; null: the source is an archive. */
  readonly repository: string | null
  readonly state: 'staging' | 'staged' | 'moving' | 'done'
  readonly startedAt: string
  readonly databases: readonly JournalDatabase[]
}

export interface JournalDatabase {
  readonly projectId: string
  /** Of its folder, in `databases` and in the folders of the restore. */
  readonly folder: string
  /** Data folder that had it before; null for none. */
  readonly previousHome: string | null
}

const restoresFolder = (dataDir: string): string => path.join(dataDir, 'restore')
const folderOfRestore = (dataDir: string, id: string): string =>
  path.join(restoresFolder(dataDir), id)
const journalFile = (dataDir: string, id: string): string =>
  path.join(folderOfRestore(dataDir, id), 'journal.json')

/** Makes the folders of a restore. Other accounts pass through, since databases may belong to them. */
export async function makeRestoreFolder(dataDir: string, id: string): Promise<void> {
  const mode = isRoot() ? 0o711 : 0o700
  try {
    for (const folder of [restoresFolder(dataDir), folderOfRestore(dataDir, id)]) {
      await mkdir(folder, { recursive: true, mode })
      await chmod(folder, mode)
    }
  } catch (error) {
    throw fileError(error, folderOfRestore(dataDir, id))
  }
}

export async function writeJournal(dataDir: string, journal: FilesJournal): Promise<void> {
  await writeFileAtomically(journalFile(dataDir, journal.id), `${JSON.stringify(journal)}\n`)
}

/** The folder of a restore, which looks like a data folder. */
export const scratchOf = (folder: DataFolder, id: string): DataFolder => ({
  path: folderOfRestore(folder.path, id),
  id: folder.id,
})

/** Folders without a journal are those of restores that were killed early. Under the lock of files. */
export async function removeUnknownFolders(dataDir: string): Promise<void> {
  const known = (await readJournals(dataDir)).map(({ id }) => id)
  const folder = restoresFolder(dataDir)
  const entries = await readdir(folder, { withFileTypes: true }).catch(() => [])
  for (const entry of entries) {
    if (!entry.isDirectory() || known.includes(entry.name)) continue
    await rm(path.join(folder, entry.name), { recursive: true, force: true })
  }
}

/** All restores of a data folder whose folders are there, the last first. */
export async function readJournals(dataDir: string): Promise<readonly FilesJournal[]> {
  const names = await readdir(restoresFolder(dataDir)).catch((error: unknown) => {
    if (errorCodeOf(error) === 'ENOENT') return []
    throw fileError(error, restoresFolder(dataDir))
  })
  const journals: FilesJournal[] = []
  for (const id of names) {
    const file = journalFile(dataDir, id)
    const text = await readFile(file, 'utf8').catch((error: unknown) => {
      // Killed before it wrote one: a folder that nobody needs.
      if (['ENOENT', 'ENOTDIR'].includes(errorCodeOf(error) ?? '')) return undefined
      throw fileError(error, file)
    })
    if (text !== undefined) journals.push(JSON.parse(text) as FilesJournal)
  }
  return journals.toSorted((a, b) => b.startedAt.localeCompare(a.startedAt))
}

/** Takes the folders of a restore away, and what ones that were killed early have left. */
export async function removeRestoreFolder(dataDir: string, id: string): Promise<void> {
  // First what makes it one: if we die between, the rest is nobody's.
  await rm(journalFile(dataDir, id), { force: true })
  await rm(folderOfRestore(dataDir, id), { recursive: true, force: true })
}

/** From here on nobody opens a database until `unmark`. */
export async function mark(dataDir: string, id: string): Promise<void> {
  await writeFileAtomically(interruptedRestoreMark(dataDir), `${id}\n`)
}

export async function unmark(dataDir: string): Promise<void> {
  await rm(interruptedRestoreMark(dataDir), { force: true })
  await syncFolder(restoresFolder(dataDir))
}

const places = (dataDir: string, id: string, { folder }: JournalDatabase) => ({
  live: path.join(dataDir, 'databases', folder),
  staged: path.join(folderOfRestore(dataDir, id), 'databases', folder),
  old: path.join(folderOfRestore(dataDir, id), 'old', folder),
})

/**
 * Puts a staged database into its place, with the folder of before kept aside: log and file of one
 * database never meet those of another. Safe to repeat after a death between any two steps.
 */
export async function moveIn(dataDir: string, id: string, entry: JournalDatabase): Promise<void> {
  const { live, staged, old } = places(dataDir, id, entry)
  if (!(await fileExists(staged))) return
  if (await fileExists(live)) await moveFolder(live, old)
  await moveFolder(staged, live)
}

/** Undoes it, as far as it went. */
export async function moveOut(dataDir: string, id: string, entry: JournalDatabase): Promise<void> {
  const { live, staged, old } = places(dataDir, id, entry)
  if (!(await fileExists(staged)) && (await fileExists(live))) await moveFolder(live, staged)
  if (await fileExists(old)) await moveFolder(old, live)
}

async function moveFolder(from: string, to: string): Promise<void> {
  try {
    const mode = isRoot() ? 0o711 : 0o700
    await mkdir(path.dirname(to), { recursive: true, mode })
    await rename(from, to)
    await syncFolder(path.dirname(to))
    await syncFolder(path.dirname(from))
  } catch (error) {
    throw fileError(error, to)
  }
}

/** Bytes of what is kept aside. */
export async function oldBytes(dataDir: string, journal: FilesJournal): Promise<number> {
  let bytes = 0
  for (const entry of journal.databases) {
    const { old } = places(dataDir, journal.id, entry)
    const names = await readdir(old).catch(() => [])
    for (const name of names) bytes += (await stat(path.join(old, name))).size
  }
  return bytes
}
