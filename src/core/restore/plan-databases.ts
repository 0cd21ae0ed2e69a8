import { randomBytes } from 'node:crypto'
import { stat } from 'node:fs/promises'
import type { Context } from '../context.ts'
import { type DataFolder, openDataFolder, projectDatabasePath } from '../os/index.ts'
import { withFilesLock } from './files/hold-databases.ts'
import {
  makeRestoreFolder,
  removeRestoreFolder,
  removeUnknownFolders,
  scratchOf,
} from './files/journal.ts'
import { checkDatabase, stageFromArchive } from './files/stage-databases.ts'
import { ownerOf } from './files/write-file.ts'
import type { DatabasesSource } from './restore-databases.ts'
import { checkSet } from './set/check-set.ts'

export interface PlannedDatabase {
  readonly projectId: string
  readonly sizeBytes: number
  readonly rows: number
  /** Of the file whose place it takes; null for none. */
  readonly replacesBytes: number | null
}

export interface DatabasesPlan {
  readonly databases: readonly PlannedDatabase[]
  readonly skippedEntries: number
}

/**
 * Checks the source as a restore would, and tells which databases it would put into their places. Those
 * of an archive are unpacked and opened, in a folder that is taken away again.
 *
 * @throws KilnError what `restoreDatabases` throws before it changes anything.
 */
export async function planDatabases(
  context: Context,
  source: DatabasesSource,
): Promise<DatabasesPlan> {
  const folder = await openDataFolder(context.settings.dataDir)
  if (source.kind === 'archive') {
    return await withFilesLock(context, () => planArchive(context, folder, source.file))
  }
  await checkSet(source.set, 'duckdb', context.signal)
  const databases: PlannedDatabase[] = []
  for (const { projectId, file, tables } of source.set.manifest.duckdb) {
    const rows = tables.reduce((sum, table) => sum + table.rows, 0)
    const replacesBytes = await sizeOf(folder, projectId)
    databases.push({ projectId, sizeBytes: file.plainBytes, rows, replacesBytes })
  }
  return { databases, skippedEntries: 0 }
}

async function planArchive(
  context: Context,
  folder: DataFolder,
  file: string,
): Promise<DatabasesPlan> {
  const { queries } = context.database
  const projects = await queries.selectFrom('projects').select('id').execute()
  const ids = projects.map(({ id }) => id)
  // No journal: there is nothing to resume. If we die here, the next restore takes the folder away.
  await removeUnknownFolders(folder.path)
  const id = `check-${randomBytes(3).toString('hex')}`
  await makeRestoreFolder(folder.path, id)
  try {
    const scratch = scratchOf(folder, id)
    const owner = await ownerOf(folder.path)
    const input = { scratch, owner, onBytes: () => undefined }
    const { databases, skippedEntries } = await stageFromArchive(context, file, ids, input)
    const planned: PlannedDatabase[] = []
    for (const database of databases) {
      const { projectId, sizeBytes, rows } = await checkDatabase(context, scratch, database, owner)
      const replacesBytes = await sizeOf(folder, projectId)
      planned.push({ projectId, sizeBytes, rows, replacesBytes })
    }
    return { databases: planned, skippedEntries }
  } finally {
    await removeRestoreFolder(folder.path, id)
  }
}

const sizeOf = async (folder: DataFolder, projectId: string): Promise<number | null> =>
  await stat(projectDatabasePath(folder, projectId)).then(
    ({ size }) => size,
    () => null,
  )
