import path from 'node:path'
import { readJobFolderName } from '../jobs/index.ts'
import { orphanAgeMs } from './clean-orphans.ts'
import type { FileWork } from './file-kinds.ts'
import { jobStates } from './job-states.ts'

/**
 * Folders of jobs that have ended and that no executor holds any more. One whose job this database
 * does not know goes after a day, if the data folder is known to be this database's.
 */
export async function cleanJobFolders(work: FileWork): Promise<void> {
  const jobs = path.join(work.files.folder.path, 'jobs')
  const found = (await work.files.list(jobs)).flatMap(({ name, isFolder }) => {
    const owner = isFolder ? readJobFolderName(name) : undefined
    return owner ? [{ name, jobId: owner.jobId }] : []
  })
  if (found.length === 0) return
  const states = await jobStates(
    work.session,
    found.map(({ jobId }) => jobId),
  )
  for (const { name, jobId } of found) {
    work.checkTime()
    const folder = path.join(jobs, name)
    const state = states.get(jobId)
    if (state ? !state.isOver : !(await isForgotten(work, folder))) continue
    const removed = await work.files.removeFolder(folder)
    if (removed) work.count({ ...removed, folders: 1 })
  }
}

async function isForgotten(work: FileWork, folder: string): Promise<boolean> {
  if (!work.standing.isKnown) return false
  const found = await work.files.look(folder)
  return found !== undefined && found.ageMs > orphanAgeMs
}
