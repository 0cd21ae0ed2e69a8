import { stat } from 'node:fs/promises'
import type { Context } from '../context.ts'
import { listProjects } from '../jobs/index.ts'
import { openDataFolder, projectDatabasePath } from '../os/index.ts'
import { copyDatabase } from './copy-database.ts'
import type { Making, PartOfManifest } from './making.ts'
import type { BackedUpDuckdb, BackupProblem } from './manifest.ts'
import { PhaseMeter } from './progress.ts'

/** The databases of all projects whose home is this data folder; others are problems of the set. */
export async function backUpDatabases(
  context: Context,
  { folder, key, input }: Making,
): Promise<PartOfManifest> {
  const dataFolder = await openDataFolder(context.settings.dataDir)
  const projects = await listProjects(context.database.queries)
  const problems: BackupProblem[] = []
  const here: { readonly id: string; readonly bytes: number }[] = []
  for (const { id, homeFolder } of projects) {
    const bytes = await sizeOf(projectDatabasePath(dataFolder, id))
    if (homeFolder !== null && homeFolder !== dataFolder.id) {
      const reason = `it is in the data folder ${homeFolder}`
      problems.push({ part: 'duckdb', name: id, reason })
      // A project gets its home before its file.
    } else if (bytes !== undefined) here.push({ id, bytes })
  }
  const total = here.reduce((sum, { bytes }) => sum + bytes, 0)
  const meter = new PhaseMeter('duckdb', total, input.onProgress)
  const duckdb: BackedUpDuckdb[] = []
  for (const { id } of here) {
    const copied = await copyDatabase(context, {
      projectId: id,
      dataFolder,
      folder,
      key,
      waitMs: input.databaseWaitMs ?? 60_000,
      onBytes: meter.addBytes,
    })
    if (typeof copied === 'string') problems.push({ part: 'duckdb', name: id, reason: copied })
    else duckdb.push(copied)
  }
  return { duckdb, problems, dataFolders: [dataFolder.id] }
}

async function sizeOf(file: string): Promise<number | undefined> {
  const [main, log] = await Promise.all(
    [file, `${file}.wal`].map((name) => stat(name).catch(() => undefined)),
  )
  return main && main.size + (log?.size ?? 0)
}
