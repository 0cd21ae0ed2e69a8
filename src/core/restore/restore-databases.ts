import { randomBytes } from 'node:crypto'
import path from 'node:path'
import { type BackupSet, lockRepository } from '../backup/index.ts'
import type { Context } from '../context.ts'
import { promptDatabase } from '../database/index.ts'
import { type DataFolder, openDataFolder, projectDatabasePath } from '../os/index.ts'
import { readHomes, takeHome } from './files/database-homes.ts'
import { withFilesLock, withHolds } from './files/hold-databases.ts'
import {
  type FilesJournal,
  type JournalDatabase,
  makeRestoreFolder,
  mark,
  removeRestoreFolder,
  removeUnknownFolders,
  scratchOf,
  unmark,
  writeJournal,
} from './files/journal.ts'
import { moveAll, undo, undoUnfinished } from './files/move-databases.ts'
import {
  type CheckedDatabase,
  type StagedDatabase,
  checkDatabase,
  stageFromArchive,
  stageFromSet,
} from './files/stage-databases.ts'
import { ownerOf } from './files/write-file.ts'
import type { OnRestoreProgress, OnRestoreStep } from './progress.ts'
import { checkSet, partOfSet, requireSpace } from './set/check-set.ts'

/** Where the databases come from. */
export type DatabasesSource =
  | { readonly kind: 'set'; readonly set: BackupSet }
  | { readonly kind: 'archive'; readonly file: string }

export interface RestoreDatabasesInput {
  readonly source: DatabasesSource
  /** How long to wait for those who have a database open, or work on the repository. */
  readonly waitMs: number
  /** How long the server may leave us without an answer; 60 s unless told. */
  readonly silenceLimitMs?: number | undefined
  readonly onProgress?: OnRestoreProgress | undefined
  readonly onStep?: OnRestoreStep | undefined
}

export interface RestoredDatabases {
  readonly id: string
  readonly source: string
  readonly databases: readonly CheckedDatabase[]
  /** Files of an archive that are no databases. */
  readonly skippedEntries: number
  /** Projects whose database was another data folder's before. */
  readonly rehomed: readonly string[]
}

/**
 * Restores project databases into this data folder: all of them, or none. Each is written and opened
 * beside its place; then folders are renamed, while nobody may open any. Databases of other projects
 * stay. Those of before are kept until `restore drop-old`.
 *
 * @throws KilnError BACKUP_DATA_INVALID, BACKUP_DAMAGED, DISK_FULL, PROJECT_DATABASE_BUSY,
 * PROJECT_DATABASE_ELSEWHERE, LOCK_TIMEOUT, BACKUP_REPOSITORY_BUSY.
 */
export async function restoreDatabases(
  { database, ...given }: Context,
  input: RestoreDatabasesInput,
): Promise<RestoredDatabases> {
  const { source, silenceLimitMs } = input
  const context = { ...given, database: promptDatabase(database, silenceLimitMs ?? 60_000) }
  const folder = await openDataFolder(context.settings.dataDir)
  const runLocked = () =>
    withFilesLock({ ...context, silenceLimitMs }, () => run(context, folder, input))
  if (source.kind === 'archive') return await runLocked()
  const { set } = source
  const lock = await lockRepository(set.repository, {
    purpose: 'kiln restore duckdb',
    waitMs: input.waitMs,
    readsOnly: true,
    signal: context.signal,
  })
  try {
    await checkSet(set, 'duckdb', context.signal, input.onProgress)
    const { duckdb } = partOfSet(set, 'duckdb').manifest
    const bytes = duckdb.reduce(
      (sum, { file, log }) => sum + file.plainBytes + (log?.plainBytes ?? 0),
      0,
    )
    await requireSpace(folder.path, bytes)
    return await runLocked()
  } finally {
    await lock.release()
  }
}

async function run(
  context: Context,
  folder: DataFolder,
  input: RestoreDatabasesInput,
): Promise<RestoredDatabases> {
  await undoUnfinished(context, folder)
  await removeUnknownFolders(folder.path)
  const { source, onStep } = input
  const name = source.kind === 'set' ? source.set.id : path.resolve(source.file)
  const id = `${source.kind === 'set' ? source.set.id : 'archive'}-${randomBytes(3).toString('hex')}`
  const journal = (state: FilesJournal['state'], databases: readonly JournalDatabase[] = []) =>
    writeJournal(folder.path, { id, source: name, repository, state, startedAt, databases })
  const repository = source.kind === 'set' ? source.set.repository.path : null
  const startedAt = new Date(context.clock.now()).toISOString()
  await makeRestoreFolder(folder.path, id)
  let isMoving = false
  try {
    await journal('staging')
    const { databases, skippedEntries } = await stage(context, folder, id, input)
    await onStep?.('files-staged')
    const owner = await ownerOf(folder.path)
    const scratch = scratchOf(folder, id)
    const checked: CheckedDatabase[] = []
    for (const database of databases) {
      checked.push(await checkDatabase(context, scratch, database, owner))
    }
    await onStep?.('files-checked')
    await journal('staged')
    const rehomed = await withHolds(context, databases, input.waitMs, async (holds) => {
      const homes = await readHomes(context, folder, databases)
      const entries = databases.map(({ projectId }) => ({
        ...entryOf(folder, projectId),
        previousHome: homes.get(projectId) ?? null,
      }))
      isMoving = true
      await journal('moving', entries)
      await mark(folder.path, id)
      await moveAll(folder, id, entries, onStep)
      await takeHome(context, folder, holds, id, name, databases)
      await journal('done', entries)
      await unmark(folder.path)
      await onStep?.('files-moved')
      return [...homes].flatMap(([projectId, home]) =>
        home === null || home === folder.id ? [] : [projectId],
      )
    })
    return { id, source: name, databases: checked, skippedEntries, rehomed }
  } catch (error) {
    if (isMoving) await undo(context, folder, id)
    else await removeRestoreFolder(folder.path, id).catch(() => undefined)
    context.signal.throwIfAborted()
    throw error
  }
}

async function stage(
  context: Context,
  folder: DataFolder,
  id: string,
  { source, onProgress }: RestoreDatabasesInput,
): Promise<{ readonly databases: readonly StagedDatabase[]; readonly skippedEntries: number }> {
  let doneBytes = 0
  const totalBytes =
    source.kind === 'set'
      ? source.set.manifest.duckdb.reduce((sum, { file }) => sum + file.plainBytes, 0)
      : null
  const stageInput = {
    scratch: scratchOf(folder, id),
    owner: await ownerOf(folder.path),
    onBytes: (bytes: number) => {
      doneBytes += bytes
      onProgress?.({ phase: 'loading', doneBytes, totalBytes })
    },
  }
  if (source.kind === 'set') {
    return { databases: await stageFromSet(source.set, stageInput), skippedEntries: 0 }
  }
  const { queries } = context.database
  const projects = await queries.selectFrom('projects').select('id').execute()
  const ids = projects.map((project) => project.id)
  return await stageFromArchive(context, source.file, ids, stageInput)
}

const entryOf = (folder: DataFolder, projectId: string) => ({
  projectId,
  folder: path.basename(path.dirname(projectDatabasePath(folder, projectId))),
})
