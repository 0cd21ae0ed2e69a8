import { readdir, rm } from 'node:fs/promises'
import path from 'node:path'
import type { Queries } from '../database/index.ts'
import { finalStatuses, isJobId } from '../jobs/index.ts'
import type { DataFolder } from '../os/index.ts'

/**
 * Deletes the folders of jobs that have ended: their executors died before they could. A job that
 * may still run keeps its folder, and so does one that this database does not know, since another
 * database may use the same data folder.
 */
export async function removeStaleJobFolders(queries: Queries, data: DataFolder): Promise<void> {
  const jobs = path.join(data.path, 'jobs')
  const ids = (await readdir(jobs).catch(() => [])).filter(isJobId)
  if (ids.length === 0) return
  const ended = await queries
    .selectFrom('analysisJobs')
    .select('id')
    .where('id', 'in', ids)
    .where('status', 'in', finalStatuses)
    .execute()
  for (const { id } of ended) {
    // What cannot be deleted now is left to the next start.
    await rm(path.join(jobs, id), { recursive: true, force: true }).catch(() => undefined)
  }
}
