import { chmod, chown, readdir, rm, stat } from 'node:fs/promises'
import path from 'node:path'
import {
  type BackedUpDuckdbTable,
  type BackupSet,
  fingerprintDatabase,
  readArchive,
  readObject,
} from '../../backup/index.ts'
import type { Context } from '../../context.ts'
import { KilnError, isKilnError } from '../../errors/index.ts'
import { type DataFolder, fileExists, projectDatabasePath } from '../../os/index.ts'
import { withOpenDatabase } from '../../projects/index.ts'
import { projectOfName, readEntryName } from './archive-name.ts'
import { type Owner, makeFolders, writeFile } from './write-file.ts'

/** A database in the folder of a restore. */
export interface StagedDatabase {
  readonly projectId: string
  /** Data folder that it comes from; null where nobody knows. */
  readonly from: string | null
  /** What it must hold; null where nobody knows. */
  readonly expected: {
    readonly duckdbVersion: string
    readonly tables: readonly BackedUpDuckdbTable[]
  } | null
}

export interface StageInput {
  /** The folder of the restore, which looks like a data folder. */
  readonly scratch: DataFolder
  readonly owner: Owner | undefined
  readonly onBytes: (bytes: number) => void
}

/** Writes the databases of a set; each object is proven to its last byte. */
export async function stageFromSet(
  set: BackupSet,
  { scratch, owner, onBytes }: StageInput,
): Promise<readonly StagedDatabase[]> {
  const staged: StagedDatabase[] = []
  for (const { projectId, homeFolder, file, log, duckdbVersion, tables } of set.manifest.duckdb) {
    const target = projectDatabasePath(scratch, projectId)
    await makeFolders(scratch.path, path.dirname(target), owner, folderMode())
    await writeFile(target, readObject(set, file), owner, onBytes)
    if (log) await writeFile(`${target}.wal`, readObject(set, log), owner, onBytes)
    staged.push({ projectId, from: homeFolder, expected: { duckdbVersion, tables } })
  }
  return staged
}

export interface StagedArchive {
  readonly databases: readonly StagedDatabase[]
  /** Files that are no databases. */
  readonly skippedEntries: number
}

/**
 * Writes the databases of a tar of `databases/`, under names of ours.
 *
 * @throws KilnError BACKUP_DATA_INVALID for a hostile entry, a database that is in it twice, and none.
 */
export async function stageFromArchive(
  { signal }: Pick<Context, 'signal'>,
  file: string,
  projectIds: readonly string[],
  { scratch, owner, onBytes }: StageInput,
): Promise<StagedArchive> {
  const databases = new Map<string, { hasFile: boolean; hasLog: boolean }>()
  let skippedEntries = 0
  await readArchive(file, signal, async (entry) => {
    const found = readEntryName(entry)
    if (!found) {
      if (entry.type !== 'Directory') skippedEntries += 1
      return
    }
    const { name, isLog } = found
    const projectId = projectOfName(name, projectIds)
    if (projectId === undefined) {
      throw invalid(`no project has the database ${name}: restore the tables first`)
    }
    const seen = databases.get(projectId) ?? { hasFile: false, hasLog: false }
    if (isLog ? seen.hasLog : seen.hasFile) throw invalid(`${name} is in it twice`)
    databases.set(projectId, {
      hasFile: seen.hasFile || !isLog,
      hasLog: seen.hasLog || isLog,
    })
    const target = projectDatabasePath(scratch, projectId)
    await makeFolders(scratch.path, path.dirname(target), owner, folderMode())
    await writeFile(isLog ? `${target}.wal` : target, entry.content, owner, onBytes)
  })
  for (const [projectId, { hasFile }] of databases) {
    if (!hasFile) throw invalid(`it has the log of ${projectId} and not its database`)
  }
  if (databases.size === 0) throw invalid('it has no databases')
  return {
    databases: [...databases.keys()].map((projectId) => ({
      projectId,
      from: null,
      expected: null,
    })),
    skippedEntries,
  }
}

/** Other accounts pass through the folders above a database, and not into one. */
const folderMode = (): number => 0o711

export interface CheckedDatabase {
  readonly projectId: string
  readonly tables: number
  readonly rows: number
  readonly sizeBytes: number
}

/**
 * Opens a staged database and reads all of it, so that what is put into place is known to open; what its
 * log holds goes into the file. It is the owner's afterwards, and nobody else's.
 *
 * @throws KilnError BACKUP_DATA_INVALID, BACKUP_DAMAGED.
 */
export async function checkDatabase(
  context: Context,
  scratch: DataFolder,
  { projectId, expected }: StagedDatabase,
  owner: Owner | undefined,
): Promise<CheckedDatabase> {
  const file = projectDatabasePath(scratch, projectId)
  try {
    if (await fileExists(`${file}.wal`)) {
      const input = { projectId, use: 'write', dataFolder: scratch } as const
      await withOpenDatabase(context, input, (duckdb) => duckdb.closeDatabase(context.signal))
      if (await fileExists(`${file}.wal`)) throw invalid(`the log of ${projectId} cannot be merged`)
    }
    const found = await fingerprintDatabase(context, scratch, projectId)
    if (expected) compare(projectId, expected, found)
    await tidy(path.dirname(file), path.basename(file), owner)
    return {
      projectId,
      tables: found.tables.length,
      rows: found.tables.reduce((sum, { rows }) => sum + rows, 0),
      sizeBytes: (await stat(file)).size,
    }
  } catch (error) {
    if (!isKilnError(error, 'DATASOURCE_ERROR')) throw error
    throw invalid(`the database of ${projectId} does not open: ${error.message}`, error)
  }
}

function compare(
  projectId: string,
  expected: NonNullable<StagedDatabase['expected']>,
  found: NonNullable<StagedDatabase['expected']>,
): void {
  // Another version of DuckDB may hash rows in another way.
  const isComparable = expected.duckdbVersion === found.duckdbVersion
  const text = ({ schema, name, rows, fingerprint }: BackedUpDuckdbTable): string =>
    `${schema}.${name}: ${rows} rows${isComparable ? `, fingerprint ${fingerprint}` : ''}`
  const wanted = expected.tables.map(text).toSorted()
  const got = found.tables.map(text).toSorted()
  const missing = wanted.filter((line) => !got.includes(line))
  const extra = got.filter((line) => !wanted.includes(line))
  if (missing.length + extra.length === 0) return
  throw new KilnError(
    'BACKUP_DAMAGED',
    `the database of ${projectId} is not what was saved: ${[...missing, ...extra].slice(0, 3).join('; ')}`,
    { hint: 'use another set, nothing was changed: kiln backup list' },
  )
}

/** Only the file stays, for its owner alone. */
async function tidy(folder: string, name: string, owner: Owner | undefined): Promise<void> {
  for (const entry of await readdir(folder)) {
    const file = path.join(folder, entry)
    if (entry !== name) {
      await rm(file, { recursive: true, force: true })
      continue
    }
    await chmod(file, 0o600)
    if (owner) await chown(file, owner.uid, owner.gid)
  }
  await chmod(folder, 0o700)
  if (owner) await chown(folder, owner.uid, owner.gid)
}

function invalid(reason: string, cause?: unknown): KilnError {
  return new KilnError('BACKUP_DATA_INVALID', reason, {
    hint: 'nothing was changed; use another backup',
    cause,
  })
}
