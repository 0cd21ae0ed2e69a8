import { readdir, rm } from 'node:fs/promises'
import path from 'node:path'
import type { Queries } from '../database/index.ts'
import { finalStatuses, readJobFolderName } from '../jobs/index.ts'
import type { DataFolder } from '../os/index.ts'

/**
 * Deletes the folders of jobs that have ended: their executors died before they could. A job that
 * may still run keeps its folder, and so does one that this database does not know, since another
 * database may use the same data folder.
 */
export async function removeStaleJobFolders(queries: Queries, data: DataFolder): Promise<void> {
  const jobs = path.join(data.path, 'jobs')
  const names = await readdir(jobs).catch(() => [])
  const found = names.flatMap((name) => {
    const owner = readJobFolderName(name)
    return owner ? [{ name, jobId: owner.jobId }] : []
  })
  if (found.length === 0) return
  const ended = await queries
    .selectFrom('analysisJobs')
    .select('id')
    .where(
      'id',
      'in',
      found.map(({ jobId }) => jobId),
    )
    .where('status', 'in', finalStatuses)
    .execute()
  const isOver = new Set(ended.map(({ id }) => id))
  for (const { name, jobId } of found) {
    if (!isOver.has(jobId)) continue
    // What cannot be deleted now is left to the next start.
    await rm(path.join(jobs, name), { recursive: true, force: true }).catch(() => undefined)
  }
}
