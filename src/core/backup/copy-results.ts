import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { rm } from 'node:fs/promises'
import { type KilnError, errorCodeOf } from '../errors/index.ts'
import { type DataFolder, fileError } from '../os/index.ts'
import { resultFile } from '../results/index.ts'
import { isObjectPath } from './layout.ts'
import type { BackedUpResult, BackupProblem } from './manifest.ts'
import type { ResultRow } from './postgres/read-facts.ts'
import { objectFile } from './read-object.ts'
import { writeObject } from './write-object.ts'

export interface CopyResultsInput {
  readonly rows: readonly ResultRow[]
  readonly dataFolder: DataFolder
  /** Folder of the set in the making. */
  readonly folder: string
  readonly key: Buffer | null
  readonly signal: AbortSignal
  readonly onBytes: (bytes: number) => void
}

/** Of what cannot have its own name in the set: two rows may name one file, and a path may be odd. */
const spare = 'results/row-'

/** Many small files wait for the disk more than for us. */
const atOnce = 8

/** Copies the stored results that the snapshot names. What is missing or damaged is a problem of the set. */
export async function copyResults(
  input: CopyResultsInput,
): Promise<{ readonly results: BackedUpResult[]; readonly problems: BackupProblem[] }> {
  const results: BackedUpResult[] = []
  const problems: BackupProblem[] = []
  const taken = new Set<string>()
  const queue = input.rows.entries()
  let hasFailed = false
  const work = async (): Promise<void> => {
    for (const [index, row] of queue) {
      if (hasFailed) return
      const wanted = row.storagePath.split('\\').join('/')
      const isFree = isObjectPath(wanted) && !wanted.startsWith(spare) && !taken.has(wanted)
      const path = isFree ? wanted : `${spare}${index}`
      taken.add(path)
      const copied = await copyResult(row, path, input).catch((error: unknown) => {
        hasFailed = true
        throw error
      })
      if (typeof copied === 'string') {
        problems.push({ part: 'results', name: row.storagePath, reason: copied })
      } else results.push(copied)
    }
  }
  // All of them, so that nobody writes into a folder that is being removed.
  const ends = await Promise.allSettled(Array.from({ length: atOnce }, work))
  const failed = ends.find((end) => end.status === 'rejected')
  if (failed) throw failed.reason
  return {
    results: results.toSorted((a, b) => (a.object.path < b.object.path ? -1 : 1)),
    problems: problems.toSorted((a, b) => (a.name < b.name ? -1 : 1)),
  }
}

/** Returns the reason when it cannot be in the set. */
async function copyResult(
  { jobId, storagePath, checksum, dataFolderId }: ResultRow,
  path: string,
  { dataFolder, folder, key, signal, onBytes }: CopyResultsInput,
): Promise<BackedUpResult | string> {
  if (dataFolderId !== null && dataFolderId !== dataFolder.id) {
    return `it is in the data folder ${dataFolderId}`
  }
  const file = resultFile(dataFolder.path, storagePath)
  if (file === undefined) return 'it is outside of the results folder'
  const hash = createHash('sha256')
  const read = async function* (): AsyncGenerator<Buffer> {
    try {
      for await (const chunk of createReadStream(file, { highWaterMark: 256 * 1024 })) {
        hash.update(chunk as Buffer)
        yield chunk as Buffer
      }
    } catch (error) {
      throw errorCodeOf(error) === undefined ? error : new Unreadable(fileError(error, file))
    }
  }
  const source = read()
  try {
    const object = await writeObject({ folder, path, source, codec: 'none', key, signal, onBytes })
    if (hash.digest('hex') === checksum) return { jobId, storagePath, checksum, object }
    await rm(objectFile({ folder }, object))
    return 'it does not match its checksum'
  } catch (error) {
    if (!(error instanceof Unreadable)) throw error
    await rm(objectFile({ folder }, { path }), { force: true })
    const { code, message } = error.reason
    return code === 'FILE_NOT_FOUND' ? 'it is missing' : message
  }
}

/** Of the original, as opposed to failures to write the copy, which end the backup. */
class Unreadable extends Error {
  readonly reason: KilnError

  constructor(reason: KilnError) {
    super(reason.message)
    this.reason = reason
  }
}
