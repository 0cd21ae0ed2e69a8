import { rmdir } from 'node:fs/promises'
import path from 'node:path'
import type { FolderStanding } from './folder-standing.ts'
import { type JobState, jobStates } from './job-states.ts'
import type { FileWork } from './file-kinds.ts'

const hourMs = 3_600_000
/** The row of a result comes with its job's outcome, and a job runs for 30 minutes by default. */
export const orphanAgeMs = 24 * hourMs
/** No job that could still write into it began so long ago: the longest time limit is 30 days. */
const emptyFolderAgeMs = 60 * 24 * hourMs
const batchSize = 1000

/** `<job id>-<attempt>.json.gz`; the first attempt has no number. */
const resultName = /^([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})(?:-\d+)?\.json\.gz$/

/**
 * Result files that no row names: their executor died before the outcome was written, or a cleanup
 * before it came to them, or their row was deleted by SQL. A file of another name is nobody's we know,
 * and stays.
 */
export async function cleanOrphans(work: FileWork): Promise<void> {
  if (work.standing.wasRestored) {
    work.note('orphan result files stay for 7 days after a restore')
    return
  }
  await cleanFolder(work, path.join(work.files.folder.path, 'results'), 0)
}

async function cleanFolder(work: FileWork, folder: string, depth: number): Promise<void> {
  const entries = await work.files.list(folder)
  for (const { name, isFolder } of entries) {
    work.checkTime()
    if (isFolder && depth < 3) await cleanFolder(work, path.join(folder, name), depth + 1)
  }
  const names = entries.filter(({ isFolder }) => !isFolder).map(({ name }) => name)
  for (let at = 0; at < names.length; at += batchSize) {
    work.checkTime()
    await cleanFiles(work, folder, names.slice(at, at + batchSize))
  }
  if (entries.length === 0 && depth > 0) await removeEmpty(work, folder)
}

async function cleanFiles(work: FileWork, folder: string, names: readonly string[]): Promise<void> {
  const candidates: { file: string; jobId: string }[] = []
  for (const name of names) {
    const jobId = resultName.exec(name)?.[1]
    if (jobId === undefined) continue
    const file = path.join(folder, name)
    const found = await work.files.look(file)
    if (found && found.ageMs > orphanAgeMs) candidates.push({ file, jobId })
  }
  if (candidates.length === 0) return
  const states = await jobStates(
    work.session,
    candidates.map(({ jobId }) => jobId),
  )
  for (const { file, jobId } of candidates) {
    const place = path.relative(work.files.folder.path, file).split(path.sep).join('/')
    if (!isOrphan(states.get(jobId), place, work.standing)) continue
    const bytes = await work.files.remove(file)
    if (bytes !== undefined) work.count({ files: 1, bytes })
  }
}

function isOrphan(job: JobState | undefined, place: string, { isKnown }: FolderStanding): boolean {
  if (!job) return isKnown
  return job.isOver && job.storagePath !== place
}

/** Folders of days; one that a job has just made to write into is young. */
async function removeEmpty(work: FileWork, folder: string): Promise<void> {
  const found = await work.files.look(folder)
  if (work.dryRun || !found || found.ageMs < emptyFolderAgeMs) return
  // Not empty any more, or not ours to delete: it stays.
  await rmdir(folder).catch(() => undefined)
}
