import path from 'node:path'
import { isJobId } from '../jobs/index.ts'
import { orphanAgeMs } from './clean-orphans.ts'
import type { FileWork } from './file-kinds.ts'
import { jobStates } from './job-states.ts'

/**
 * Folders of jobs that have ended and that no executor holds any more. One whose job this database
 * does not know goes after a day, if the data folder is known to be this database's.
 */
export async function cleanJobFolders(work: FileWork): Promise<void> {
  const jobs = path.join(work.files.folder.path, 'jobs')
  const names = (await work.files.list(jobs))
    .filter(({ name, isFolder }) => isFolder && isJobId(name))
    .map(({ name }) => name)
  if (names.length === 0) return
  const states = await jobStates(work.session, names)
  for (const name of names) {
    work.checkTime()
    const folder = path.join(jobs, name)
    const state = states.get(name.toLowerCase())
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
