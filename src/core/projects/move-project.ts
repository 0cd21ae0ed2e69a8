import { constants } from 'node:fs'
import { chmod, copyFile, open, rename, rm } from 'node:fs/promises'
import path from 'node:path'
import { recordAudit } from '../audit/index.ts'
import type { Context } from '../context.ts'
import { type DatabaseHold, getProject, holdDatabase } from '../jobs/index.ts'
import {
  type DataFolder,
  ensurePrivateFolder,
  fileError,
  fileExists,
  giveToOwnerOf,
  isRoot,
  openDataFolder,
  projectDatabasePath,
  syncFolder,
} from '../os/index.ts'
import { requireHome, withOpenDatabase } from './open-project-database.ts'

export interface MoveProjectInput {
  readonly projectId: string
  /** Path of the data folder that shall have the database; made if absent. */
  readonly home: string
  /** Only the row changes: the file was brought there otherwise, or is given up. */
  readonly withoutFile: boolean
  readonly waitMs: number
}

export interface MovedProject {
  readonly projectId: string
  readonly from: string | null
  readonly home: string
  readonly path: string
  /** False when there was nothing to move. */
  readonly isFileMoved: boolean
}

/**
 * Gives the project's database another data folder. Nobody may have it open; jobs that come meanwhile
 * wait, and then run where an executor of the new folder is. Safe to repeat after a death: the copy is
 * made before the row changes, and the original goes after.
 *
 * @throws KilnError PROJECT_NOT_FOUND, PROJECT_DATABASE_ELSEWHERE when the file is not in this data
 * folder, PROJECT_DATABASE_BUSY, DISK_FULL, PERMISSION_DENIED.
 */
export async function moveProject(
  context: Context,
  { projectId, home, withoutFile, waitMs }: MoveProjectInput,
): Promise<MovedProject> {
  const folder = path.resolve(home)
  // It is not made for a move that cannot be.
  if (!(await fileExists(folder))) {
    await (withoutFile ? getProject(context, projectId) : requireHome(context, projectId))
  }
  const target = await openDataFolder(folder)
  const file = projectDatabasePath(target, projectId)
  const look = async () => {
    const { homeFolder: from } = await getProject(context, projectId)
    const isThere = from === target.id
    const source = isThere || withoutFile ? undefined : await requireHome(context, projectId)
    return { from, isThere, source, original: source && (await findFile(source, projectId)) }
  }
  const unmoved = (from: string | null) => ({
    projectId,
    from,
    home: target.id,
    path: file,
    isFileMoved: false,
  })
  // What is so already, or cannot be, is told before others are waited for.
  const before = await look()
  if (before.isThere) return unmoved(before.from)
  const purpose = 'kiln project move'
  const hold = await holdDatabase(context, { projectId, use: 'write', purpose, waitMs })
  try {
    // Only now nobody else can move it.
    const { from, isThere, source, original } = await look()
    if (isThere) return unmoved(from)
    if (source && original !== undefined) {
      // Fails when another program has it open; what is in its log goes into the file.
      const whole = { projectId, use: 'write', dataFolder: source } as const
      await withOpenDatabase(context, whole, (duckdb) => duckdb.closeDatabase(context.signal))
      await copyDatabase(original, file)
      await handOver(target.path, file)
    }
    await changeHome(context, hold, projectId, from, target.id)
    // If we die before, what is left is a file that nobody opens any more.
    if (original !== undefined) await rm(path.dirname(original), { recursive: true, force: true })
    return { ...unmoved(from), isFileMoved: original !== undefined }
  } finally {
    await hold.release()
  }
}

async function findFile(folder: DataFolder, projectId: string): Promise<string | undefined> {
  const file = projectDatabasePath(folder, projectId)
  return (await fileExists(file)) ? file : undefined
}

/** Whole or not at all, under the name that counts. */
async function copyDatabase(original: string, file: string): Promise<void> {
  const folder = path.dirname(file)
  const all = path.dirname(folder)
  const temporary = `${file}.tmp`
  try {
    await ensurePrivateFolder(all)
    if (isRoot()) await chmod(all, 0o711)
    await ensurePrivateFolder(folder)
    await copyFile(original, temporary, constants.COPYFILE_FICLONE)
    await chmod(temporary, 0o600)
    const handle = await open(temporary, 'r+')
    try {
      await handle.sync()
    } finally {
      await handle.close()
    }
    await rename(temporary, file)
    await syncFolder(folder)
  } catch (error) {
    await rm(temporary, { force: true }).catch(() => undefined)
    throw fileError(error, file)
  }
}

/** To the account of the service, where root moves it; that one makes what it lacks otherwise. */
async function handOver(home: string, file: string): Promise<void> {
  const folder = path.dirname(file)
  const all = path.dirname(folder)
  try {
    await giveToOwnerOf(home, [file, folder, all])
  } catch (error) {
    throw fileError(error, file)
  }
}

async function changeHome(
  { database, operator }: Context,
  hold: DatabaseHold,
  projectId: string,
  from: string | null,
  to: string,
): Promise<void> {
  await database.queries.transaction().execute(async (transaction) => {
    await hold.confirm(transaction)
    await transaction
      .updateTable('projects')
      .set({ homeFolder: to })
      .where('id', '=', projectId)
      .execute()
    await recordAudit(transaction, operator, {
      action: 'project.move',
      targetType: 'project',
      targetId: projectId,
      before: { home_folder: from },
      after: { home_folder: to },
      details: { home_folder: to },
    })
  })
}
