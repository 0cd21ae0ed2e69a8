import { stat } from 'node:fs/promises'
import { sql } from 'kysely'
import type { Context } from '../context.ts'
import type { DatabaseSizes } from '../duckdb/index.ts'
import { errorCodeOf, isKilnError } from '../errors/index.ts'
import { getProject, listProjects } from '../jobs/index.ts'
import { type DataFolder, fileError, openDataFolder, projectDatabasePath } from '../os/index.ts'
import { withProjectDatabase } from './open-project-database.ts'

/** The file of a project's database. Sizes are null where it is in another data folder, or is not yet. */
export interface ProjectDatabaseFile {
  readonly projectId: string
  /** Id of the data folder that has it; null until a job has opened it. */
  readonly homeFolder: string | null
  readonly isHere: boolean
  /** In this data folder; null when it is in another. */
  readonly path: string | null
  readonly sizeBytes: number | null
  /** Written and not yet merged into the file. */
  readonly logBytes: number | null
  readonly modifiedAt: string | null
}

/** Who has a slot of it. */
export interface DatabaseUser {
  readonly databaseUse: 'read' | 'write'
  readonly jobId: string | null
  /** Of the analysis, or what it is held for. */
  readonly purpose: string
  /** `pending`: admitted, and not begun; `asked`: it waits, before the queue. */
  readonly state: 'pending' | 'running' | 'granted' | 'asked'
  readonly since: string
}

export interface ProjectDatabaseInfo extends ProjectDatabaseFile {
  readonly users: readonly DatabaseUser[]
  /** Jobs that wait for a slot. */
  readonly waitingJobs: number
  /** Null when nothing can be read now; `unreadReason` says why. */
  readonly contents: (DatabaseSizes & { readonly duckdbVersion: string }) | null
  readonly unreadReason: string | null
}

/** The databases of all projects that have one, by project. */
export async function listProjectDatabases(context: Context): Promise<ProjectDatabaseFile[]> {
  const folder = await openDataFolder(context.settings.dataDir)
  const projects = await listProjects(context.database.queries)
  return Promise.all(
    projects
      .filter(({ homeFolder }) => homeFolder !== null)
      .map(({ id, homeFolder }) => describeFile(folder, id, homeFolder)),
  )
}

/**
 * What is known of one project's database, with what its tables take if a reader's slot is free.
 *
 * @throws KilnError PROJECT_NOT_FOUND.
 */
export async function projectDatabaseInfo(
  context: Context,
  projectId: string,
  options: { readonly waitMs: number } = { waitMs: 0 },
): Promise<ProjectDatabaseInfo> {
  const { homeFolder } = await getProject(context, projectId)
  const folder = await openDataFolder(context.settings.dataDir)
  const file = await describeFile(folder, projectId, homeFolder)
  const { queries } = context.database
  const { rows: users } = await sql<DatabaseUser>`
    select database_use, job_id, purpose, state, since
    from analysis_database_users
    where project_id = ${projectId}
    order by since
  `.execute(queries)
  const { rows: waiting } = await sql<{ count: number }>`
    select count(*)::integer as count
    from analysis_jobs job
    join analyses analysis on analysis.id = job.analysis_id
    where job.waits_for_slot
      and job.database_use is not null
      and analysis.project_id = ${projectId}
  `.execute(queries)
  return {
    ...file,
    users,
    waitingJobs: waiting[0]?.count ?? 0,
    ...(await readContents(context, file, options.waitMs)),
  }
}

async function readContents(
  context: Context,
  { projectId, isHere, sizeBytes }: ProjectDatabaseFile,
  waitMs: number,
): Promise<Pick<ProjectDatabaseInfo, 'contents' | 'unreadReason'>> {
  if (!isHere) return { contents: null, unreadReason: 'it is in another data folder' }
  if (sizeBytes === null) return { contents: null, unreadReason: 'nothing was written yet' }
  const input = { projectId, use: 'read', purpose: 'kiln duckdb info', waitMs } as const
  try {
    return await withProjectDatabase(context, input, async (duckdb) => {
      const sizes = await duckdb.sizes(context.signal)
      const text = await duckdb.query('select version() as version', [], {}, context.signal)
      const [row] = JSON.parse(text) as { readonly version: string }[]
      const contents = { ...sizes, duckdbVersion: row?.version ?? '' }
      return { contents, unreadReason: null }
    })
  } catch (error) {
    if (!isKilnError(error, 'PROJECT_DATABASE_BUSY', 'DATASOURCE_ERROR')) throw error
    return { contents: null, unreadReason: error.message }
  }
}

async function describeFile(
  folder: DataFolder,
  projectId: string,
  homeFolder: string | null,
): Promise<ProjectDatabaseFile> {
  const isHere = homeFolder === null || homeFolder === folder.id
  const file = projectDatabasePath(folder, projectId)
  const found = isHere ? await statOf(file) : undefined
  const log = isHere ? await statOf(`${file}.wal`) : undefined
  return {
    projectId,
    homeFolder,
    isHere,
    path: isHere ? file : null,
    sizeBytes: found?.size ?? null,
    logBytes: found ? (log?.size ?? 0) : null,
    modifiedAt: found ? new Date(found.mtimeMs).toISOString() : null,
  }
}

async function statOf(file: string) {
  try {
    return await stat(file)
  } catch (error) {
    if (errorCodeOf(error) === 'ENOENT') return undefined
    throw fileError(error, file)
  }
}
