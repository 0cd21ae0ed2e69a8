import { rm } from 'node:fs/promises'
import path from 'node:path'
import { type BackupSet, readObject } from '../../backup/index.ts'
import { additionalKeyFileOf, keyFileOf } from '../../datasources/index.ts'
import { KilnError } from '../../errors/index.ts'
import { type DataFolder, fileExists, projectDatabasePath } from '../../os/index.ts'
import { resultFile } from '../../results/index.ts'
import { type Owner, digestOf, makeFolders, ownerOf, writeWhole } from '../files/write-file.ts'
import { type RestoreSession, quoted } from '../postgres/session.ts'

export interface PlacedFiles {
  /** Stored results that are now in this data folder; those that were there already count too. */
  readonly results: number
  readonly resultBytes: number
  /** Files that were not there before: a restore that fails takes them away again. */
  readonly added: readonly string[]
}

interface PlacedResult {
  readonly jobId: string
  readonly storagePath: string
}

/**
 * Puts the files that the staged rows name beside those that are there, and lets the rows name them.
 * Nothing is written over, so that the live rows keep theirs until the exchange, and for ever if there
 * is none: a file of the same name and another content gets another name.
 *
 * @throws KilnError BACKUP_DAMAGED, DISK_FULL.
 */
export async function placeFiles(
  session: RestoreSession,
  schema: string,
  set: BackupSet,
  folder: DataFolder,
  onBytes: (bytes: number) => void,
): Promise<PlacedFiles> {
  const owner = await ownerOf(folder.path)
  const added: string[] = []
  try {
    const placed: PlacedResult[] = []
    for (const result of set.manifest.results) {
      const storagePath = await placeResult(set, result, folder, owner, added)
      placed.push({ jobId: result.jobId, storagePath })
      onBytes(result.object.plainBytes)
    }
    await nameResults(session, schema, placed, folder)
    await nameHomes(session, schema, set, folder)
    await placeKey(set, folder, owner, added)
    return {
      results: placed.length,
      resultBytes: set.manifest.results.reduce((sum, { object }) => sum + object.plainBytes, 0),
      added,
    }
  } catch (error) {
    await removeFiles(added)
    throw error
  }
}

/** Takes files away that nothing names. */
export async function removeFiles(files: readonly string[]): Promise<void> {
  // What stays is an orphan that cleanup finds.
  for (const file of files) await rm(file, { force: true }).catch(() => undefined)
}

async function placeResult(
  set: BackupSet,
  { jobId, storagePath, checksum, object }: BackupSet['manifest']['results'][number],
  folder: DataFolder,
  owner: Owner | undefined,
  added: string[],
): Promise<string> {
  const named = resultFile(folder.path, storagePath)
  if (named === undefined) {
    throw new KilnError(
      'BACKUP_DATA_INVALID',
      `${set.id}: job ${jobId} names a result outside of the results folder`,
      { hint: 'use another set, nothing was changed: kiln backup list' },
    )
  }
  const free = await freeName(named, checksum)
  if (!free.isThere) {
    await makeFolders(folder.path, path.dirname(free.file), owner)
    await writeWhole(free.file, readObject(set, object), owner)
    added.push(free.file)
  }
  return path.relative(folder.path, free.file).split(path.sep).join('/')
}

async function freeName(
  file: string,
  checksum: string,
): Promise<{ readonly file: string; readonly isThere: boolean }> {
  for (let n = 1; ; n += 1) {
    const candidate = n === 1 ? file : file.replace(/(\.json\.gz)?$/, `-restored${n}$1`)
    const digest = await digestOf(candidate)
    if (digest === undefined) return { file: candidate, isThere: false }
    if (digest === checksum) return { file: candidate, isThere: true }
  }
}

async function nameResults(
  session: RestoreSession,
  schema: string,
  placed: readonly PlacedResult[],
  folder: DataFolder,
): Promise<void> {
  await session.query(
    `update ${quoted(schema)}.analysis_result_storage stored
     set storage_path = placed.path, data_folder_id = $3
     from unnest($1::uuid[], $2::text[]) as placed (job_id, path)
     where stored.job_id = placed.job_id
       and (stored.storage_path, stored.data_folder_id) is distinct from (placed.path, $3::uuid)`,
    [placed.map(({ jobId }) => jobId), placed.map(({ storagePath }) => storagePath), folder.id],
  )
}

/** A project's database that was restored here before its rows is at home here. */
async function nameHomes(
  session: RestoreSession,
  schema: string,
  set: BackupSet,
  folder: DataFolder,
): Promise<void> {
  const { rows } = await session.query<{ id: string }>(
    `select id from ${quoted(schema)}.projects where home_folder = any ($1) and home_folder <> $2`,
    [set.manifest.dataFolders, folder.id],
  )
  const here: string[] = []
  for (const { id } of rows) if (await fileExists(projectDatabasePath(folder, id))) here.push(id)
  await session.query(
    `update ${quoted(schema)}.projects set home_folder = $1 where id = any ($2)`,
    [folder.id, here],
  )
}

/** The key of the folder stays, since live rows need it: another one lies beside it, by its name. */
async function placeKey(
  set: BackupSet,
  folder: DataFolder,
  owner: Owner | undefined,
  added: string[],
): Promise<void> {
  const { datasourceKey } = set.manifest
  if (!datasourceKey) return
  const chunks: Buffer[] = []
  for await (const chunk of readObject(set, datasourceKey)) chunks.push(chunk)
  const bytes = Buffer.concat(chunks)
  const current = keyFileOf(folder.path)
  const file = (await fileExists(current)) ? additionalKeyFileOf(folder.path, bytes) : current
  if (file === undefined || (await fileExists(file))) return
  await makeFolders(folder.path, path.dirname(file), owner)
  await writeWhole(file, [bytes] as unknown as AsyncIterable<Buffer>, owner)
  added.push(file)
}

/** Keys that staged datasources need and this data folder has not. */
export async function missingKeys(
  session: RestoreSession,
  schema: string,
  hasKey: (id: string) => Promise<boolean>,
): Promise<readonly string[]> {
  const { rows } = await session.query<{ id: string }>(
    `select distinct key_id as id from ${quoted(schema)}.analysis_datasources
     where encrypted_secret is not null and key_id is not null
     order by 1`,
  )
  const missing: string[] = []
  for (const { id } of rows) if (!(await hasKey(id))) missing.push(id)
  return missing
}
