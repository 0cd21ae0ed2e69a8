/** Old rows and files for tests of cleanup. */
import { randomUUID } from 'node:crypto'
import { mkdir, truncate, utimes, writeFile } from 'node:fs/promises'
import path from 'node:path'
import type { Context } from '../../src/core/context.ts'
import { openDataFolder } from '../../src/core/os/index.ts'
import { insertJob } from './queue.ts'

const dayMs = 86_400_000

export const daysAgo = (days: number): string => new Date(Date.now() - days * dayMs).toISOString()

/** A job that was made and ended so long ago. */
export function insertEnded(
  { database }: Pick<Context, 'database'>,
  analysisId: string,
  days: number,
  columns: Readonly<Record<string, unknown>> = {},
): Promise<string> {
  return insertJob(database.pool, analysisId, {
    status: 'completed',
    created_at: daysAgo(days),
    started_at: daysAgo(days),
    completed_at: daysAgo(days),
    ...columns,
  })
}

/** A file below the data folder, last changed so long ago. Returns its path. */
export async function putFile(
  dataDir: string,
  name: string,
  { days = 0, bytes }: { readonly days?: number; readonly bytes?: number } = {},
): Promise<string> {
  const file = path.join(dataDir, name)
  await mkdir(path.dirname(file), { recursive: true })
  await writeFile(file, 'content')
  if (bytes !== undefined) await truncate(file, bytes)
  const at = Date.now() / 1000 - days * 86_400
  await utimes(file, at, at)
  return file
}

export const resultName = (jobId: string): string => `results/2025/01/02/${jobId}-1.json.gz`

/** A stored result of a job: its file and its row, as old as told. Returns the file's path. */
export async function putResult(
  { database, settings }: Pick<Context, 'database' | 'settings'>,
  jobId: string,
  { days, folderId, place }: { days: number; folderId?: string; place?: string },
): Promise<string> {
  const folder = await openDataFolder(settings.dataDir)
  const storagePath = place ?? resultName(jobId)
  const file = await putFile(settings.dataDir, storagePath, { days })
  await database.pool.query(
    `insert into analysis_result_storage
       (job_id, storage_path, size_bytes, checksum, created_at, data_folder_id)
     values ($1, $2, 7, 'none', $3, $4)`,
    [jobId, storagePath, daysAgo(days), folderId ?? folder.id],
  )
  return file
}

/** The data folder as one of this database's, as any executor makes it. */
export async function useFolder({
  database,
  settings,
}: Pick<Context, 'database' | 'settings'>): Promise<void> {
  const folder = await openDataFolder(settings.dataDir)
  await database.pool.query(
    `insert into analysis_executors (id, label, kind, host, pid, data_folder_id)
     values ($1, 'used', 'service', 'here', 1, $2)`,
    [randomUUID(), folder.id],
  )
}
