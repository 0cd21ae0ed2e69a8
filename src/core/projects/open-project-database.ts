import { randomUUID } from 'node:crypto'
import type { Context } from '../context.ts'
import type { DuckdbProcess } from '../duckdb/index.ts'
import { KilnError } from '../errors/index.ts'
import { JobData } from '../executor/index.ts'
import { type DatabaseUse, getProject, holdDatabase } from '../jobs/index.ts'
import { type DataFolder, openDataFolder, processEntry } from '../os/index.ts'
import { SandboxPool, type WallStats } from '../sandbox/index.ts'

export interface OpenInput {
  readonly projectId: string
  readonly use: DatabaseUse
  /** What jobs that wait for it are told. */
  readonly purpose: string
  /** How long to wait for a slot; 0: not at all. */
  readonly waitMs: number
}

/**
 * Runs `work` with the project's database open in a DuckDB process like that of a job, under a slot.
 *
 * @throws KilnError PROJECT_NOT_FOUND, PROJECT_DATABASE_ELSEWHERE, PROJECT_DATABASE_BUSY.
 */
export async function withProjectDatabase<T>(
  context: Context,
  input: OpenInput,
  work: (duckdb: DuckdbProcess) => Promise<T>,
): Promise<T> {
  // What cannot be is said before others are waited for.
  await requireHome(context, input.projectId)
  const hold = await holdDatabase(context, input)
  try {
    // Somebody may have moved it meanwhile.
    const dataFolder = await requireHome(context, input.projectId)
    return await withOpenDatabase(context, { ...input, dataFolder }, work)
  } finally {
    await hold.release()
  }
}

/** The same for a caller who has the slot. */
export async function withOpenDatabase<T>(
  context: Context,
  {
    projectId,
    use,
    dataFolder,
  }: Pick<OpenInput, 'projectId' | 'use'> & { readonly dataFolder: DataFolder },
  work: (duckdb: DuckdbProcess) => Promise<T>,
): Promise<T> {
  const data = new JobData({
    context,
    dataFolder,
    // No job has it; the folder goes when this ends.
    jobId: randomUUID(),
    projectId,
    datasources: [],
    memoryBytes: context.settings.sandboxMemoryBytes,
    database: use,
    walls: await wallsOfThisHost(context),
  })
  try {
    return await work(await data.duckdb(context.signal))
  } finally {
    await data.close()
  }
}

/** This data folder, if it has the project's database or may have it. */
export async function requireHome(context: Context, projectId: string): Promise<DataFolder> {
  const { homeFolder } = await getProject(context, projectId)
  const dataFolder = await openDataFolder(context.settings.dataDir)
  if (homeFolder === null || homeFolder === dataFolder.id) return dataFolder
  throw new KilnError(
    'PROJECT_DATABASE_ELSEWHERE',
    `the database of the project "${projectId}" is in the data folder ${homeFolder}; this one is ${dataFolder.id}`,
    {
      hint: 'run it where that folder is, or name it by ANALYSIS_DATA_DIR',
      details: { home: homeFolder },
    },
  )
}

let walls: Promise<WallStats> | undefined

/** Found once: they do not change while a process lives. */
function wallsOfThisHost(context: Context): Promise<WallStats> {
  walls ??= findWalls(context).catch((error: unknown) => {
    walls = undefined
    throw error
  })
  return walls
}

/** A sandbox that starts tells best which walls work here. */
async function findWalls({ settings }: Context): Promise<WallStats> {
  const pool = new SandboxPool({
    entryPath: processEntry('sandbox'),
    nodePath: process.execPath,
    size: 1,
    warm: 1,
    maxMemoryBytes: settings.sandboxMemoryBytes,
  })
  try {
    await pool.start()
    return pool.walls
  } finally {
    await pool.stop()
  }
}
