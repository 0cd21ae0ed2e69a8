import { constants, copyFile, mkdtemp, rm } from 'node:fs/promises'
import path from 'node:path'
import type { Settings } from '../config/index.ts'
import {
  type ColumnInfo,
  type DuckdbProcess,
  type DuckdbProcessOptions,
  startDuckdbProcess,
} from '../duckdb/index.ts'
import { ensureDataFolder, ensurePrivateFolder, fileError, processEntry } from '../os/index.ts'
import type { ResolvedDatasource } from './datasource.ts'

/** A copy of more, where the file system cannot share blocks, takes longer than a test should. */
const mostCopiedBytes = 256 * 1024 ** 2

/**
 * Columns of a file as DuckDB reads them. Null when it is too large to be copied for a look: its
 * process may only see files in its own folder, since a folder it may read it may also write.
 *
 * @throws KilnError DATASOURCE_ERROR in DuckDB's words.
 */
export async function columnsOfFile(
  settings: Pick<Settings, 'dataDir'>,
  { files, format }: Extract<ResolvedDatasource, { type: 'file' }>,
  sizeBytes: number,
  signal: AbortSignal,
): Promise<readonly ColumnInfo[] | null> {
  const [first] = files
  if (first === undefined || sizeBytes > mostCopiedBytes) return null
  return withFolder(settings, async (folder) => {
    const copy = path.join(folder, `file${path.extname(first)}`)
    await copyFile(first, copy, constants.COPYFILE_FICLONE).catch((error: unknown) => {
      throw fileError(error, first)
    })
    const views = [{ name: 'file', files: [copy], format }]
    return withDuckdb({ folder, views }, signal, (duckdb) => duckdb.describe('file', signal))
  })
}

/**
 * Tables of a DuckDB file, opened read-only as jobs open it.
 *
 * @throws KilnError DATASOURCE_ERROR, also when another process has the file open for writing.
 */
export async function tablesOfDuckdbFile(
  settings: Pick<Settings, 'dataDir'>,
  file: string,
  signal: AbortSignal,
): Promise<readonly string[]> {
  return withFolder(settings, (folder) =>
    withDuckdb({ folder, attach: [{ name: 'file', path: file }] }, signal, async (duckdb) =>
      (await duckdb.tables(signal))
        .filter((table) => table.database === 'file')
        .map(({ schema, name }) => (schema === 'main' ? name : `${schema}.${name}`)),
    ),
  )
}

async function withFolder<T>(
  { dataDir }: Pick<Settings, 'dataDir'>,
  work: (folder: string) => Promise<T>,
): Promise<T> {
  const parent = path.join(dataDir, 'tmp')
  await ensureDataFolder(dataDir)
  await ensurePrivateFolder(parent)
  const folder = await mkdtemp(path.join(parent, 'datasource-test-'))
  try {
    return await work(folder)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

async function withDuckdb<T>(
  options: Pick<DuckdbProcessOptions, 'folder' | 'views' | 'attach'>,
  signal: AbortSignal,
  work: (duckdb: DuckdbProcess) => Promise<T>,
): Promise<T> {
  const duckdb = await startDuckdbProcess(
    {
      ...options,
      memoryLimitBytes: 256 * 1024 ** 2,
      threads: 1,
      nodePath: process.execPath,
      entryPath: processEntry('duckdb'),
    },
    signal,
  )
  try {
    return await work(duckdb)
  } finally {
    await duckdb.stop()
  }
}
