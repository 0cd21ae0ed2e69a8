import { createHash } from 'node:crypto'
import { mkdir, rm } from 'node:fs/promises'
import path from 'node:path'
import { promisify } from 'node:util'
import { gzip } from 'node:zlib'
import { isJsonbText } from '../database/index.ts'
import { type DataFolder, fileError, writeFileAtomically } from '../os/index.ts'
import { resultRows } from './result-rows.ts'

/** Results above this are files: a larger row slows every scan of the queue's table. */
export const inlineLimitBytes = 256 * 1024

/** Where a result that is not inline lies, as `analysis_result_storage` has it. */
export interface StoredResult {
  /** Below the data folder. */
  readonly storagePath: string
  /** Of the compressed file. */
  readonly sizeBytes: number
  /** SHA-256 of the compressed bytes, hex. */
  readonly checksum: string
  /** Of a result that is rows. */
  readonly rowCount: number | null
  readonly dataFolderId: string
}

/**
 * True when a result fits into the job row as it is. Text that jsonb does not hold goes to a file
 * however short it is.
 */
export function isInline(resultText: string): boolean {
  return Buffer.byteLength(resultText) <= inlineLimitBytes && isJsonbText(resultText)
}

/**
 * Writes a result as a compressed file, whole or not at all. The row that names it is written by
 * the caller with the job's outcome: if we die between, the file is an orphan that cleanup removes.
 * An attempt after the first has a file of its own name, since one whose executor was taken for dead
 * may still write when the next has completed.
 *
 * @throws KilnError DISK_FULL, PERMISSION_DENIED.
 */
export async function storeResult(
  folder: DataFolder,
  job: { readonly id: string; readonly attempt: number; readonly startedAt: string },
  resultText: string,
): Promise<StoredResult> {
  const bytes = await promisify(gzip)(resultText, { level: 1 })
  const day = job.startedAt.slice(0, 10).split('-')
  const storagePath = path.posix.join('results', ...day, fileName(job))
  const file = path.join(folder.path, storagePath)
  try {
    await mkdir(path.dirname(file), { recursive: true, mode: 0o700 })
  } catch (error) {
    throw fileError(error, path.dirname(file))
  }
  await writeFileAtomically(file, bytes)
  return {
    storagePath,
    sizeBytes: bytes.length,
    checksum: createHash('sha256').update(bytes).digest('hex'),
    // The text was parsed once before, when it came: at most 10 MB, some 60 ms.
    rowCount: resultRows(JSON.parse(resultText))?.length ?? null,
    dataFolderId: folder.id,
  }
}

const fileName = ({ id, attempt }: { readonly id: string; readonly attempt: number }): string =>
  attempt === 1 ? `${id}.json.gz` : `${id}-${attempt}.json.gz`

/** Deletes a stored result that no row came to name. What cannot be deleted is left to cleanup. */
export async function discardResult(folder: DataFolder, stored: StoredResult): Promise<void> {
  await rm(path.join(folder.path, stored.storagePath), { force: true }).catch(() => undefined)
}
