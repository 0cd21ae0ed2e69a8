import { readdir, rm, stat } from 'node:fs/promises'
import path from 'node:path'
import type { Queries } from '../database/index.ts'
import { errorCodeOf } from '../errors/index.ts'
import type { DataFolder } from '../os/index.ts'

const jobId = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/

const youngMs = 3_600_000

/**
 * Deletes the folders of jobs that are not running: what an executor that was killed left behind,
 * copied inputs included. Folders of running jobs, whoever runs them, are left alone, and so are
 * young ones, which may belong to a job of another database on the same data folder.
 */
export async function clearJobFolders(
  queries: Queries,
  data: DataFolder,
  now: number,
): Promise<void> {
  const root = path.join(data.path, 'jobs')
  const ids = (await foldersIn(root)).filter((name) => jobId.test(name))
  if (ids.length === 0) return
  const running = await queries
    .selectFrom('analysisJobs')
    .select('id')
    .where('id', 'in', ids)
    .where('status', '=', 'running')
    .execute()
  const kept = new Set(running.map((row) => row.id))
  for (const id of ids) {
    const folder = path.join(root, id)
    if (kept.has(id) || now - (await stat(folder)).mtimeMs < youngMs) continue
    await rm(folder, { recursive: true, force: true })
  }
}

async function foldersIn(folder: string): Promise<string[]> {
  try {
    return await readdir(folder)
  } catch (error) {
    if (errorCodeOf(error) === 'ENOENT') return []
    throw error
  }
}
