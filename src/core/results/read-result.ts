import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import path from 'node:path'
import { promisify } from 'node:util'
import { gunzip } from 'node:zlib'
import type { Context } from '../context.ts'
import { KilnError, errorCodeOf } from '../errors/index.ts'
import { type Job, jobError } from '../jobs/index.ts'
import { type DataFolder, fileError, openDataFolder } from '../os/index.ts'

type ReadContext = Pick<Context, 'database' | 'settings'>

/**
 * JSON text of a job's result, wherever it is stored; its checksum is verified.
 *
 * @throws KilnError JOB_NOT_FINISHED, JOB_FAILED, JOB_LIMIT, JOB_LOST, JOB_CANCELLED for a job
 * without a result,
 * RESULT_UNAVAILABLE when the file is on another machine, missing or damaged.
 */
export async function readResult(context: ReadContext, job: Job): Promise<string> {
  requireCompleted(job)
  const stored = await context.database.queries
    .selectFrom('analysisResultStorage')
    .selectAll()
    .where('jobId', '=', job.id)
    .executeTakeFirst()
  if (!stored) return inlineResult(context, job)

  const folder = await openDataFolder(context.settings.dataDir)
  if (stored.dataFolderId !== null && stored.dataFolderId !== folder.id) {
    throw new KilnError(
      'RESULT_UNAVAILABLE',
      `the result of job ${job.id} lies in another data folder`,
      {
        hint: `run this where the data folder ${stored.dataFolderId} is, with ANALYSIS_DATA_DIR set to it`,
        details: { data_folder_id: stored.dataFolderId },
      },
    )
  }
  return readStored(folder, job.id, stored)
}

/** A stored JSON null is a result; a column without a value means that its file was deleted. */
async function inlineResult({ database }: ReadContext, job: Job): Promise<string> {
  if (job.result !== null) return JSON.stringify(job.result)
  const row = await database.queries
    .selectFrom('analysisJobs')
    .select(({ eb }) => eb('result', 'is', null).as('isGone'))
    .where('id', '=', job.id)
    .executeTakeFirst()
  if (row && !row.isGone) return 'null'
  throw new KilnError('RESULT_UNAVAILABLE', `the result of job ${job.id} has been deleted`, {
    hint: 'run the analysis again',
  })
}

/**
 * The file that a row names; undefined when it is none of the results: operators may write the row,
 * and it must not lead out of their folder.
 */
export function resultFile(folder: string, storagePath: string): string | undefined {
  const file = path.resolve(folder, storagePath)
  return file.startsWith(path.resolve(folder, 'results') + path.sep) ? file : undefined
}

async function readStored(
  folder: DataFolder,
  jobId: string,
  stored: { readonly storagePath: string; readonly checksum: string },
): Promise<string> {
  const file = resultFile(folder.path, stored.storagePath)
  if (file === undefined) {
    throw new KilnError(
      'RESULT_UNAVAILABLE',
      `job ${jobId} names a result outside of the results folder`,
      {
        hint: 'correct storage_path in analysis_result_storage',
      },
    )
  }
  const bytes = await readFile(file).catch((error: unknown) => {
    if (errorCodeOf(error) !== 'ENOENT') throw fileError(error, file)
    throw new KilnError('RESULT_UNAVAILABLE', `the result file of job ${jobId} is gone: ${file}`, {
      hint: 'restore it from a backup, or run the analysis again',
    })
  })
  const damaged = (cause?: unknown) =>
    new KilnError('RESULT_UNAVAILABLE', `the result file of job ${jobId} is damaged: ${file}`, {
      hint: 'restore it from a backup, or run the analysis again',
      cause,
    })
  if (createHash('sha256').update(bytes).digest('hex') !== stored.checksum) throw damaged()
  return promisify(gunzip)(bytes).then(
    (text) => text.toString('utf8'),
    (error: unknown) => {
      throw damaged(error)
    },
  )
}

function requireCompleted(job: Job): void {
  const error = jobError(job)
  if (error) throw error
}
