/** Backups of a test's own database and data folder, and what is in them. */
import { createHash, randomUUID } from 'node:crypto'
import { mkdirSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import pg from 'pg'
import { from as copyFrom } from 'pg-copy-streams'
import {
  type BackupSet,
  type CreateBackupInput,
  type CreatedBackup,
  createBackup,
  openRepository,
  openSet,
} from '../../src/core/backup/index.ts'
import { readObject } from '../../src/core/backup/read-object.ts'
import { openDataFolder } from '../../src/core/os/index.ts'
import type { TestContext } from './core-context.ts'

export const repositoryPath = (test: TestContext): string => path.join(test.folder.path, 'repo')

export function backUp(
  test: TestContext,
  input: Partial<CreateBackupInput> = {},
): Promise<CreatedBackup> {
  return createBackup(test.context, {
    repository: repositoryPath(test),
    parts: ['postgres'],
    ...input,
  })
}

export async function openBackup(
  test: TestContext,
  name = 'latest',
  passphrase?: string,
): Promise<BackupSet> {
  return openSet(await openRepository(repositoryPath(test)), { name, passphrase })
}

/** Loads a table of a set into a new table of the same shape, and tells which rows differ from the live ones. */
export async function differences(
  test: TestContext,
  set: BackupSet,
  name: string,
): Promise<number> {
  const table = set.manifest.postgres?.tables.find((candidate) => candidate.name === name)
  if (!table) throw new Error(`the set has no ${name}`)
  const format = set.manifest.postgres?.rowFormat === 'binary' ? ' with (format binary)' : ''
  const columns = table.columns.map((column) => `"${column.name}"`).join(', ')
  const client = new pg.Client({ connectionString: test.database.connectionString })
  await client.connect()
  try {
    await client.query(`create temp table loaded (like ${name})`)
    for (const object of table.objects) {
      const load = client.query(copyFrom(`copy loaded (${columns}) from stdin${format}`))
      await pipeline(Readable.from(readObject(set, object)), load)
    }
    const { rows } = await client.query<{ count: number }>(
      `select count(*)::integer as count from (
         (select md5(loaded::text) from loaded except all select md5(live::text) from ${name} live)
         union all
         (select md5(live::text) from ${name} live except all select md5(loaded::text) from loaded)
       ) different`,
    )
    return rows[0]?.count ?? -1
  } finally {
    await client.end()
  }
}

/** A stored result of a new job, as the queue leaves one; returns its path. */
export async function addStoredResult(
  test: TestContext,
  analysisId: string,
  bytes = Buffer.from('a result'),
): Promise<string> {
  const { pool } = test.context.database
  const folder = await openDataFolder(test.context.settings.dataDir)
  const { rows } = await pool.query<{ id: string }>(
    `insert into analysis_jobs (analysis_id, status, started_at, completed_at)
     values ($1, 'completed', now(), now()) returning id`,
    [analysisId],
  )
  const storagePath = `results/2026/11/29/${randomUUID()}.json.gz`
  const file = path.join(folder.path, storagePath)
  mkdirSync(path.dirname(file), { recursive: true })
  writeFileSync(file, bytes)
  await pool.query(
    `insert into analysis_result_storage
       (job_id, storage_path, size_bytes, checksum, data_folder_id)
     values ($1, $2, $3, $4, $5)`,
    [
      rows[0]?.id,
      storagePath,
      bytes.length,
      createHash('sha256').update(bytes).digest('hex'),
      folder.id,
    ],
  )
  return storagePath
}
