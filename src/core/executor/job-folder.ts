import { constants } from 'node:fs'
import { chmod, chown, copyFile, mkdir, readdir, rm } from 'node:fs/promises'
import path from 'node:path'
import { type JobFolderOwner, jobFolderName, readJobFolderName } from '../jobs/index.ts'
import { type DataFolder, ensurePrivateFolder, fileError, isRoot } from '../os/index.ts'

/** An attempt's own folder: what its DuckDB reads, spills and exports. Gone when it ends. */
export interface JobFolder {
  readonly path: string
  /** Puts a copy of a file in; returns the path of the copy. */
  takeIn(file: string, as: string): Promise<string>
  /** Hands it, and all that is in it by now, to another account. Only root can. */
  giveTo(uid: number): Promise<void>
  remove(): Promise<void>
}

/** Creates the folder of one attempt, mode 0700. What earlier attempts left is deleted first. */
export async function createJobFolder(data: DataFolder, owner: JobFolderOwner): Promise<JobFolder> {
  const jobs = path.join(data.path, 'jobs')
  const folder = path.join(jobs, jobFolderName(owner))
  await rm(folder, { recursive: true, force: true })
  if (owner.attempt > 1) await removeEarlier(jobs, owner)
  await ensurePrivateFolder(jobs)
  // Accounts that jobs' processes run under pass through it to their own, but cannot list the others.
  if (isRoot()) await chmod(jobs, 0o711)
  await ensurePrivateFolder(folder)
  return {
    path: folder,
    takeIn: (file, as) => copyInto(folder, file, as),
    giveTo: (uid) => giveAll(folder, uid),
    remove: () => rm(folder, { recursive: true, force: true }),
  }
}

/** Their executors are dead, or about to learn that they lost the job. */
async function removeEarlier(jobs: string, { jobId, attempt }: JobFolderOwner): Promise<void> {
  for (const name of await readdir(jobs).catch(() => [])) {
    const other = readJobFolderName(name)
    if (other?.jobId !== jobId || other.attempt >= attempt) continue
    // What cannot be deleted now is left to cleanup.
    await rm(path.join(jobs, name), { recursive: true, force: true }).catch(() => undefined)
  }
}

async function giveAll(folder: string, uid: number): Promise<void> {
  const entries = await readdir(folder, { recursive: true })
  for (const entry of [folder, ...entries.map((name) => path.join(folder, name))]) {
    await chown(entry, uid, uid)
  }
}

/**
 * A copy, or a reflink where the file system has them; never a hard link: whoever may read the
 * folder may also write in it, and would write through a link to the original.
 */
async function copyInto(folder: string, file: string, as: string): Promise<string> {
  const target = path.join(folder, 'inputs', as)
  try {
    await mkdir(path.dirname(target), { recursive: true, mode: 0o700 })
    await copyFile(file, target, constants.COPYFILE_FICLONE)
  } catch (error) {
    throw fileError(error, file)
  }
  return target
}
