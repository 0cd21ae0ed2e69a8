import { createHash, randomUUID } from 'node:crypto'
import { readdirSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import pg from 'pg'
import { to as copyTo } from 'pg-copy-streams'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import {
  type BackedUpTable,
  lockRepository,
  openRepository,
  pruneBackups,
  readObject,
  verifyObjects,
} from '../../../src/core/backup/index.ts'
import { copyTables } from '../../../src/core/backup/postgres/copy-tables.ts'
import { openSnapshot } from '../../../src/core/backup/postgres/open-snapshot.ts'
import { addDatasource } from '../../../src/core/datasources/index.ts'
import { claimJobs } from '../../../src/core/jobs/index.ts'
import { acquireSchemaLock, migrateUp } from '../../../src/core/migrate/index.ts'
import {
  addStoredResult,
  backUp,
  differences,
  openBackup,
  repositoryPath,
} from '../../support/backup.ts'
import { type TestContext, openTestContext } from '../../support/core-context.ts'
import { addLastingExecutor, insertAnalysis, insertJob } from '../../support/queue.ts'

let test: TestContext
let analysisId: string
let pool: pg.Pool
beforeAll(async () => {
  test = await openTestContext()
  pool = test.context.database.pool
  analysisId = await insertAnalysis(pool)
  await insertOddRows()
})
afterAll(() => test.close())

/** As the driver gives the rows, without our reader of messages. */
async function hashOfCopy(table: string): Promise<string> {
  const client = await pool.connect()
  try {
    const hash = createHash('sha256')
    for await (const chunk of client.query(copyTo(`copy ${table} to stdout`))) hash.update(chunk)
    return hash.digest('hex')
  } finally {
    client.release()
  }
}

/** What text formats get wrong. */
async function insertOddRows(): Promise<void> {
  const odd = [
    '',
    '\\N',
    '\\.',
    'a\tb',
    'a\nb',
    'a\r\nb',
    'back\\slash',
    '😀',
    '\u0001',
    '"{,}"',
    'NULL',
  ]
  const deep = `${'['.repeat(90)}"${'x'.repeat(100)}"${']'.repeat(90)}`
  for (const text of odd) {
    await pool.query(
      `insert into analysis_jobs (analysis_id, status, parameters, logs, error_message, run_at)
       values ($1, 'failed', $2, $3, $4, 'infinity')`,
      [analysisId, JSON.stringify({ text, deep: JSON.parse(deep) }), [text, null, text], text],
    )
  }
  await pool.query(
    `insert into analysis_jobs (analysis_id, status, result, logs, error_message)
     values ($1, 'completed', 'null', null, null), ($1, 'completed', null, '{}', '')`,
    [analysisId],
  )
  const everyByte = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte))
  await pool.query(
    `insert into analysis_datasources (project_id, name, type, encrypted_secret, key_id)
     values ('default', 'bytes', 'postgres', $1, 'k')`,
    [everyByte],
  )
}

describe('rows', () => {
  it.each(['text', 'binary'] as const)('come back as they were, as %s', async (rowFormat) => {
    const { manifest, id } = await backUp(test, { rowFormat })
    expect(manifest.status).toBe('complete')
    const set = await openBackup(test, id)
    expect(await verifyObjects(set, { level: 'full' })).toEqual([])
    for (const { name, rows } of manifest.postgres?.tables ?? []) {
      // The audit log and the list of backups have one row more since.
      if (['analysis_audit_log', 'analysis_backups'].includes(name)) continue
      const { rows: counted } = await pool.query<{ count: number }>(
        `select count(*)::integer as count from ${name}`,
      )
      expect([name, rows]).toEqual([name, counted[0]?.count])
      expect([name, await differences(test, set, name)]).toEqual([name, 0])
    }
  })

  it('may be many megabytes of logs', async () => {
    await pool.query(
      `insert into analysis_job_logs (job_id, attempt, line_number, level, message)
       select job.id, 1, n, 'info', repeat(md5(random()::text), 32768)
       from (select id from analysis_jobs limit 10) job, generate_series(1, 10) n`,
    )
    const { id, manifest } = await backUp(test)
    expect(manifest.totals.plainBytes).toBeGreaterThan(100 * 1024 * 1024)
    const set = await openBackup(test, id)
    const table = manifest.postgres?.tables.find(({ name }) => name === 'analysis_job_logs')
    const stored = createHash('sha256')
    for (const object of table?.objects ?? []) {
      for await (const piece of readObject(set, object)) stored.update(piece)
    }
    expect(stored.digest('hex')).toBe(await hashOfCopy('analysis_job_logs'))
    await pool.query('truncate analysis_job_logs')
  })

  it('are read once each, in however many ranges and connections', async () => {
    await pool.query(`create table counted as select id from analysis_jobs`)
    await pool.query(
      `insert into analysis_jobs (analysis_id, status) select $1, 'failed' from generate_series(1, 3000)`,
      [analysisId],
    )
    const folder = path.join(test.folder.path, 'ranges')
    const snapshot = await openSnapshot({
      target: test.context.database.target,
      signal: test.context.signal,
      readers: 3,
      lockTimeoutMs: 5000,
      silenceLimitMs: 20_000,
    })
    try {
      const tables = await copyTables(snapshot, {
        folder,
        key: null,
        rowFormat: 'text',
        rangePages: 5,
        signal: test.context.signal,
        onBytes: () => undefined,
        onRows: () => undefined,
      })
      const jobs = tables.find(({ name }) => name === 'analysis_jobs')
      const { rows } = await pool.query<{ count: number }>(
        'select count(*)::integer as count from analysis_jobs',
      )
      expect(jobs?.rows).toBe(rows[0]?.count)
      expect(jobs?.objects.length).toBeGreaterThan(10)
      const ends = jobs?.objects.map(({ pages }) => pages?.[1])
      expect(jobs?.objects.map(({ pages }) => pages?.[0])).toEqual([
        0,
        ...(ends ?? []).slice(0, -1),
      ])
    } finally {
      await snapshot.close()
    }
    await pool.query(`delete from analysis_jobs where id not in (select id from counted)`)
    await pool.query('drop table counted')
  })
})

/** Runs `work` between the two steps of a backup: its snapshot is open, nothing is read yet. */
async function duringBackup(work: () => Promise<void>): Promise<readonly BackedUpTable[]> {
  const { signal, database } = test.context
  const snapshot = await openSnapshot({
    target: database.target,
    signal,
    readers: 2,
    lockTimeoutMs: 5000,
    silenceLimitMs: 20_000,
  })
  try {
    await work()
    const folder = path.join(test.folder.path, randomUUID())
    const ignore = () => undefined
    return await copyTables(snapshot, {
      folder,
      key: null,
      rowFormat: 'text',
      signal,
      onBytes: ignore,
      onRows: ignore,
    })
  } finally {
    await snapshot.close()
  }
}

describe('while a backup reads', () => {
  it.each([
    'truncate analysis_metadata',
    'alter table analysis_metadata add column x text',
    'drop table analysis_metadata',
  ])('%s waits, and the set has all rows', async (statement) => {
    await pool.query(
      `insert into analysis_metadata (analysis_id, key, value)
       values ($1, 'k', '1') on conflict do nothing`,
      [analysisId],
    )
    const tables = await duringBackup(async () => {
      const client = await pool.connect()
      try {
        await client.query(`set lock_timeout = '50ms'`)
        await expect(client.query(statement)).rejects.toMatchObject({ code: '55P03' })
      } finally {
        client.release(true)
      }
    })
    const table = tables.find(({ name }) => name === 'analysis_metadata')
    expect(table?.rows).toBe(1)
  })

  it('a migration gives up, and jobs are claimed and rows written', async () => {
    const executorId = await addLastingExecutor(test.context)
    const jobId = await insertJob(pool, analysisId)
    await duringBackup(async () => {
      await expect(
        migrateUp(test.context, { lockTimeoutMs: 50, migrationsFolder: undefined }),
      ).rejects.toMatchObject({ code: 'LOCK_TIMEOUT', exitCode: 75 })
      const claimed = await claimJobs(test.context.database.queries, executorId, 1)
      expect(claimed.map(({ id }) => id)).toEqual([jobId])
    })
  })

  it('what is written meanwhile is not in the set', async () => {
    const tables = await duringBackup(async () => {
      await pool.query(`insert into projects (id) values ('late')`)
    })
    const projects = tables.find(({ name }) => name === 'projects')
    expect(projects?.rows).toBe(1)
  })
})

describe('a backup', () => {
  it('gives up behind a migration, and leaves nothing', async () => {
    const client = new pg.Client({ connectionString: test.database.connectionString })
    await client.connect()
    try {
      await acquireSchemaLock(client, { timeoutMs: 5000 })
      await expect(backUp(test, { lockTimeoutMs: 100 })).rejects.toMatchObject({
        code: 'LOCK_TIMEOUT',
      })
    } finally {
      await client.end()
    }
    expect(readdirSync(path.join(repositoryPath(test), 'tmp'))).toEqual([])
  })

  it('gives up behind a lock on a table', async () => {
    const client = await pool.connect()
    try {
      await client.query('begin; lock table analysis_jobs in access exclusive mode')
      await expect(backUp(test, { lockTimeoutMs: 100 })).rejects.toMatchObject({
        code: 'LOCK_TIMEOUT',
        exitCode: 75,
      })
    } finally {
      await client.query('rollback')
      client.release()
    }
    expect((await backUp(test)).manifest.status).toBe('complete')
  })

  it('is entered in analysis_backups and in the audit log', async () => {
    const repository = path.join(test.folder.path, 'audited')
    const { id, manifest } = await backUp(test, { kind: 'pre-deploy', label: 'v2', repository })
    const { rows } = await pool.query(
      `select kind, label, status, size_bytes, parts, is_encrypted, rows_total,
         finished_at is not null as is_finished
       from analysis_backups where id = $1`,
      [id],
    )
    expect(rows).toEqual([
      {
        kind: 'pre-deploy',
        label: 'v2',
        status: 'complete',
        size_bytes: manifest.totals.storedBytes,
        parts: ['postgres'],
        is_encrypted: false,
        rows_total: manifest.totals.rows,
        is_finished: true,
      },
    ])
    await backUp(test, { repository })
    await pruneBackups(test.context, { repository, rules: { keepLast: 1 } })
    const { rows: audit } = await pool.query<{ before: string; after: string }>(
      `select action, before_hash as before, after_hash as after
       from analysis_audit_log
       where target_id = $1
       order by id`,
      [id],
    )
    const hash = expect.stringMatching(/^[0-9a-f]{64}$/)
    expect(audit).toEqual([
      { action: 'backup.create', before: null, after: hash },
      { action: 'backup.prune', before: audit[0]?.after, after: null },
    ])
  })

  it('runs beside no other', async () => {
    const repository = await openRepository(repositoryPath(test))
    const lock = await lockRepository(repository, { purpose: 'kiln backup create', waitMs: 0 })
    await expect(backUp(test)).rejects.toMatchObject({
      code: 'BACKUP_REPOSITORY_BUSY',
      exitCode: 75,
    })
    await lock.release()
    const waited = await Promise.all([1, 2].map(() => backUp(test, { waitMs: 30_000 })))
    expect(waited.map(({ manifest }) => manifest.status)).toEqual(['complete', 'complete'])
  })
})

describe('stored results', () => {
  it('are in the set, and make it partial when they are missing, changed or elsewhere', async () => {
    const kept = await addStoredResult(test, analysisId, Buffer.from('kept'))
    const { manifest } = await backUp(test)
    expect(manifest.results.map(({ storagePath }) => storagePath)).toEqual([kept])
    expect(manifest.status).toBe('complete')

    const missing = await addStoredResult(test, analysisId)
    const changed = await addStoredResult(test, analysisId)
    const elsewhere = await addStoredResult(test, analysisId)
    const outside = await addStoredResult(test, analysisId)
    const { dataDir } = test.context.settings
    rmSync(path.join(dataDir, missing))
    writeFileSync(path.join(dataDir, changed), 'changed')
    const where = 'where storage_path = $1'
    await pool.query(
      `update analysis_result_storage set data_folder_id = '00000000-0000-4000-8000-000000000001' ${where}`,
      [elsewhere],
    )
    await pool.query(`update analysis_result_storage set storage_path = '../folder-id' ${where}`, [
      outside,
    ])
    const partial = await backUp(test)
    expect(partial.manifest.status).toBe('partial')
    expect(partial.manifest.results).toHaveLength(1)
    expect(
      new Set(partial.manifest.problems.map(({ name, reason }) => `${name}: ${reason}`)),
    ).toEqual(
      new Set([
        `${missing}: it is missing`,
        `${changed}: it does not match its checksum`,
        `${elsewhere}: it is in the data folder 00000000-0000-4000-8000-000000000001`,
        `../folder-id: it is outside of the results folder`,
      ]),
    )
    // Nothing of those is in the set, and what is in it is sound.
    expect(await verifyObjects(await openBackup(test, partial.id), { level: 'full' })).toEqual([])
    await pool.query('delete from analysis_result_storage')
  })
})

describe('the key of datasource secrets', () => {
  it('is in encrypted sets only, and others say that it is not', async () => {
    await addDatasource(test.context, {
      projectId: 'default',
      name: 'secret',
      source: { type: 'postgres', url: test.database.connectionString },
    })
    const open = await backUp(test)
    expect(open.manifest.datasourceKey).toBeNull()
    expect(open.manifest.notes.join()).toContain('the key of stored datasource secrets')
    const sealed = await backUp(test, { passphrase: 'a passphrase' })
    expect(sealed.manifest.datasourceKey?.path).toBe('keys/datasources.key')
    expect(sealed.manifest.notes).toEqual([])
    const set = await openBackup(test, sealed.id, 'a passphrase')
    expect(await differences(test, set, 'analysis_datasources')).toBe(0)
  })
})

it('waits for nobody who has locked a table of his own', async () => {
  const client = await pool.connect()
  try {
    await client.query('create table theirs (x integer)')
    await client.query('begin')
    await client.query('lock table theirs in access exclusive mode')
    const { manifest } = await backUp(test, { silenceLimitMs: 2000, lockTimeoutMs: 100 })
    expect(manifest.status).toBe('complete')
  } finally {
    await client.query('rollback')
    await client.query('drop table theirs')
    client.release()
  }
})
