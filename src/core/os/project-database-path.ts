import { createHash } from 'node:crypto'
import path from 'node:path'
import type { DataFolder } from './data-folder.ts'

/**
 * The DuckDB file of a project in a data folder, whether or not it is there. In a folder of its own,
 * since its log lies beside it while it is written, and the process that writes it sees no other
 * project's. Any id is a file name: what is more than small letters, digits, `_` and `-` by its hash.
 */
export function projectDatabasePath(data: Pick<DataFolder, 'path'>, projectId: string): string {
  const name = /^[a-z0-9_-]{1,64}$/.test(projectId)
    ? projectId
    : `x-${createHash('sha256').update(projectId).digest('hex')}`
  return path.join(data.path, 'databases', name, `${name}.duckdb`)
}

/**
 * While this file is there, the databases of a data folder are being exchanged by a restore, or were
 * when it was killed: some are those of before and some are not, so nobody may open any.
 */
export const interruptedRestoreMark = (dataDir: string): string =>
  path.join(dataDir, 'restore', 'moving')
