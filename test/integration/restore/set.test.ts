import { randomUUID } from 'node:crypto'
import { existsSync, readFileSync, readdirSync, statSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { gzipSync } from 'node:zlib'
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import {
  createBackup,
  lockRepository,
  openRepository,
  openSet,
  pruneBackups,
  verifyBackup,
} from '../../../src/core/backup/index.ts'
import { addDatasource, resolveDatasource } from '../../../src/core/datasources/index.ts'
import { getJob } from '../../../src/core/jobs/index.ts'
import { openDatabase } from '../../../src/core/database/index.ts'
import { loadMigrations, migrateUp, verifyMigrations } from '../../../src/core/migrate/index.ts'
import { openDataFolder } from '../../../src/core/os/index.ts'
import { readResult } from '../../../src/core/results/index.ts'
import {
  drillSet,
  dropOldTables,
  findRestoreTarget,
  planSet,
  restoreSet,
  undoRestore,
} from '../../../src/core/restore/index.ts'
import { exchangedTables } from '../../../src/core/restore/postgres/table-roles.ts'
import { addStoredResult, backUp, openBackup, repositoryPath } from '../../support/backup.ts'
import { type TestContext, openTestContext } from '../../support/core-context.ts'
import { createTestDatabase } from '../../support/database.ts'
import { databaseUrl, query } from '../../support/test-server.ts'
import { addExecutor, insertAnalysis, insertJob } from '../../support/queue.ts'
import { insertOddRows, readAll } from '../../support/restores.ts'
import { testRun } from '../../support/test-run.ts'

const passphrase = 'correct horse'
let from: TestContext
let to: TestContext
let before: Awaited<ReturnType<typeof readAll>>
let resultJob: string
const rows = async (core: TestContext, sql: string): Promise<Record<string, unknown>[]> =>
  (await core.context.database.pool.query(sql)).rows

async function restore(
  core: TestContext,
  { into, secret, name = 'latest' }: { into?: string; secret?: string; name?: string } = {},
) {
  const set = await openBackup(from, name, secret)
  const target = await findRestoreTarget(core.context, into)
  return restoreSet(core.context, { set, target, releases: false })
}

beforeAll(async () => {
  ;[from, to] = await Promise.all([openTestContext(), openTestContext()])
  const { analysisId } = await insertOddRows(from.context.database.pool)
  const big = JSON.stringify(Array.from({ length: 40_000 }, (_, n) => `row ${n}`))
  const storagePath = await addStoredResult(from, analysisId, gzipSync(big))
  const [stored] = await rows(
    from,
    `select job_id from analysis_result_storage where storage_path = '${storagePath}'`,
  )
  resultJob = String(stored?.job_id)
  await addDatasource(from.context, {
    projectId: 'default',
    name: 'secret',
    source: { type: 'postgres', url: 'postgresql://me:hidden@localhost/none' },
  } as Parameters<typeof addDatasource>[1])
  before = await readAll(from.context.database.pool)
})
afterAll(async () => {
  await from.close()
  await to.close()
})

describe('a set in another database and an empty data folder', () => {
  it('has the same rows, stored results and secrets', async () => {
    const created = await backUp(from, { passphrase })
    await insertAnalysis(to.context.database.pool, undefined, { title: 'of before' })
    const restored = await restore(to, { secret: passphrase })
    expect(restored).toMatchObject({
      setId: created.id,
      method: 'exchange',
      results: 1,
      missingKeys: ['k'],
    })
    expect(await readAll(to.context.database.pool)).toEqual(before)
    expect((await verifyMigrations(to.context)).findings).toEqual([])
    const job = await getJob(to.context, resultJob)
    expect(JSON.parse(await readResult(to.context, job))).toHaveLength(40_000)
    expect(await resolveDatasource(to.context, 'default', 'secret')).toMatchObject({
      connectionString: 'postgresql://me:hidden@localhost/none',
    })
    const folder = await openDataFolder(to.context.settings.dataDir)
    const [stored] = await rows(
      to,
      `select storage_path, data_folder_id from analysis_result_storage`,
    )
    expect(stored?.data_folder_id).toBe(folder.id)
    expect(statSync(path.join(folder.path, String(stored?.storage_path))).mode & 0o777).toBe(0o600)
  })

  it('is taken back with --rollback, and what is kept goes with drop-old', async () => {
    await insertAnalysis(to.context.database.pool, undefined, { title: 'since' })
    const target = await findRestoreTarget(to.context, undefined)
    expect(await undoRestore(to.context, target)).toMatchObject({ outcome: 'undone' })
    expect(await rows(to, 'select title from analyses')).toEqual([{ title: 'of before' }])
    expect((await verifyMigrations(to.context)).findings).toEqual([])
    await expect(undoRestore(to.context, target)).rejects.toMatchObject({
      code: 'RESTORE_NOT_FOUND',
    })
    const { oldSchema } = await restore(to, { secret: passphrase })
    expect(await dropOldTables(to.context, { id: undefined, isDryRun: false })).toMatchObject([
      { schema: oldSchema },
    ])
    expect(await rows(to, `select from pg_namespace where nspname like 'kiln\\_%'`)).toEqual([])
    await expect(undoRestore(to.context, target)).rejects.toMatchObject({ code: 'RESTORE_REFUSED' })
  })

  it('writes over no live file: another key and another result of the same name stay', async () => {
    const { dataDir } = to.context.settings
    const { pool } = to.context.database
    const [stored] = await rows(to, 'select storage_path from analysis_result_storage')
    const live = path.join(dataDir, String(stored?.storage_path))
    const liveKey = path.join(dataDir, 'keys', 'datasources.key')
    writeFileSync(live, 'another result')
    writeFileSync(liveKey, `${'a'.repeat(64)}\n`)
    await restore(to, { secret: passphrase })
    expect(readFileSync(live, 'utf8')).toBe('another result')
    expect(readFileSync(liveKey, 'utf8')).toMatch(/^a{64}/)
    const job = await getJob(to.context, resultJob)
    expect(JSON.parse(await readResult(to.context, job))).toHaveLength(40_000)
    expect(await resolveDatasource(to.context, 'default', 'secret')).toBeDefined()
    await pool.query('delete from analysis_result_storage')
  })

  it('goes into a database that is made for it', async () => {
    const into = `kiln_test_into_${randomUUID().slice(0, 8)}`
    try {
      await restore(to, { into, secret: passphrase })
      const pool = new pg.Pool({ connectionString: databaseUrl(testRun().serverUrl, into), max: 1 })
      // The database may be dropped before the server has seen its end.
      pool.on('connect', (client) => void client.on('error', () => undefined))
      const { jobs } = await readAll(pool)
      await pool.end()
      expect(jobs).toEqual(before.jobs)
    } finally {
      await query(testRun().serverUrl, `drop database if exists ${into} with (force)`)
    }
  })
})

describe('what operators have hung on the tables', () => {
  const role = `kiln_test_${randomUUID().slice(0, 8)}`
  it('is there after an exchange: a grant, an index, a trigger, a foreign key', async () => {
    const { pool } = to.context.database
    await pool.query(`
      create role ${role};
      grant select on analysis_jobs to ${role};
      grant select (name), update (title) on analyses to ${role} with grant option;
      create index mine on analysis_jobs ((parameters ->> 'x')) where status = 'completed';
      create function note() returns trigger language plpgsql as 'begin return new; end';
      create trigger note before insert on analysis_jobs for each row execute function note();
      alter table analysis_jobs disable trigger note;
      create table notes (job_id uuid references analysis_jobs (id) on delete cascade);
      comment on table analysis_jobs is 'ours';
      alter table analysis_jobs add column remark text default 'none'`)
    await pool.query('insert into notes values ($1)', [resultJob])
    const facts = `select
        (select relacl::text from pg_class where oid = 'analysis_jobs'::regclass) as grants,
        (select string_agg(attacl::text, ' ' order by attnum) from pg_attribute
         where attrelid = 'analyses'::regclass) as columns,
        (select pg_get_indexdef('mine'::regclass)) as index,
        (select reloptions::text from pg_class where oid = 'analysis_jobs'::regclass) as options,
        (select obj_description('analysis_jobs'::regclass)) as comment,
        (select tgenabled from pg_trigger where tgname = 'note') as trigger,
        (select confrelid::regclass::text from pg_constraint where conrelid = 'notes'::regclass) as key`
    const [expected] = await rows(to, facts)
    expect(expected).toMatchObject({ trigger: 'D', key: 'analysis_jobs', comment: 'ours' })
    const plan = await planSet(to.context, {
      set: await openBackup(from, 'latest', passphrase),
      target: await findRestoreTarget(to.context, undefined),
    })
    expect(plan.dependents).toMatchObject({ indexes: ['mine on analysis_jobs'], bound: [] })
    expect(plan.dependents.grants).toContain(`select on analysis_jobs to ${role}`)
    const restored = await restore(to, { secret: passphrase })
    expect(restored.method).toBe('exchange')
    expect(await rows(to, facts)).toEqual([expected])
    expect((await verifyMigrations(to.context)).findings).toEqual([])
    expect(await rows(to, 'select * from notes')).toHaveLength(1)
  })

  it('keeps a restore from breaking their references', async () => {
    const { pool } = to.context.database
    const [analysis] = await rows(to, 'select id from analyses limit 1')
    const job = await insertJob(pool, String(analysis?.id))
    await pool.query('insert into notes values ($1)', [job])
    const spoilt = await readAll(pool)
    await expect(restore(to, { secret: passphrase })).rejects.toMatchObject({
      code: 'RESTORE_REFUSED',
      exitCode: 65,
    })
    expect(await readAll(pool)).toEqual(spoilt)
    await pool.query('delete from notes where job_id = $1', [job])
  })

  it('goes on showing the rows where it is a view: these are replaced in place', async () => {
    const { pool } = to.context.database
    await pool.query(`create view mine_too as select id, status from analysis_jobs;
      create materialized view counted as select count(*) as n from mine_too`)
    await insertAnalysis(pool, undefined, { title: 'between' })
    const set = await openBackup(from, 'latest', passphrase)
    const target = await findRestoreTarget(to.context, undefined)
    expect((await planSet(to.context, { set, target })).dependents.bound).toContain('view mine_too')
    const restored = await restore(to, { secret: passphrase })
    expect(restored.method).toBe('in_place')
    expect(await readAll(pool)).toMatchObject({
      versions: before.versions,
      metadata: before.metadata,
    })
    expect(await rows(to, `select from mine_too where status = 'completed'`)).toHaveLength(
      (before.jobs as unknown[]).length,
    )
    expect((await verifyMigrations(to.context)).findings).toEqual([])
    await undoRestore(to.context, target)
    expect(await rows(to, `select title from analyses where title = 'between'`)).toHaveLength(1)
    expect((await verifyMigrations(to.context)).findings).toEqual([])
    await pool.query(`drop view mine_too cascade; drop table notes; drop trigger note on analysis_jobs;
      drop owned by ${role}; drop role ${role}; alter table analysis_jobs drop column remark`)
  })

  it.each([
    ['some tables', 'table analysis_jobs, analyses', ['analyses', 'analysis_jobs']],
    ['a schema', 'tables in schema public', exchangedTables],
  ])('a publication of %s: what is replaced is replicated', async (_, what, tables) => {
    const { pool } = to.context.database
    await pool.query(`create publication everything for ${what}`)
    try {
      const published = `select tablename from pg_publication_tables order by 1`
      const expected = await rows(to, published)
      const { method, dependents } = await restore(to, { secret: passphrase })
      expect(dependents.bound).toEqual([
        `publication everything of ${tables.toSorted().join(', ')}`,
      ])
      expect(method).toBe('in_place')
      expect(await rows(to, published)).toEqual(expected)
      expect(await readAll(pool)).toEqual(before)
    } finally {
      await pool.query('drop publication everything')
    }
  })
})

describe('a job', () => {
  it('with 100 MB of logs comes back as it was', async () => {
    const { pool } = from.context.database
    const [analysis] = await rows(from, 'select id from analyses limit 1')
    const job = await insertJob(pool, String(analysis?.id), { status: 'completed' })
    await pool.query(
      `update analysis_jobs set logs = (
         select array_agg(repeat(md5(n::text) || E'\t\\\\ "\n', 290000)) from generate_series(1, 10) n
       ) where id = $1`,
      [job],
    )
    const hash = `select octet_length(logs::text) > 100000000 as "isLarge", md5(logs::text) as hash
      from analysis_jobs where id = '${job}'`
    const [expected] = await rows(from, hash)
    expect(expected?.isLarge).toBe(true)
    const { id } = await backUp(from, { repository: path.join(from.folder.path, 'large') })
    await pool.query('delete from analysis_jobs where id = $1', [job])
    const repository = await openRepository(path.join(from.folder.path, 'large'))
    const target = await findRestoreTarget(to.context, undefined)
    const set = await openSet(repository, { name: id })
    await restoreSet(to.context, { set, target, releases: false })
    expect(await rows(to, hash)).toEqual([expected])
    await undoRestore(to.context, target)
  })
})

describe('a set that is not right changes nothing, and the next restore succeeds', () => {
  it('a flipped byte, a wrong passphrase, none', async () => {
    const { pool } = to.context.database
    const spoilt = await readAll(pool)
    const { id, path: folder } = await backUp(from)
    const [object = ''] = readdirSync(path.join(folder, 'pg')).filter((name) =>
      name.includes('jobs'),
    )
    const file = path.join(folder, 'pg', object)
    const bytes = readFileSync(file)
    const at = bytes.length >> 1
    bytes[at] = (bytes[at] ?? 0) ^ 1
    writeFileSync(file, bytes)
    await expect(restore(to, { name: id })).rejects.toMatchObject({
      code: 'BACKUP_DAMAGED',
      exitCode: 1,
      message: expect.stringContaining(object) as string,
    })
    bytes[at] ^= 1
    writeFileSync(file, bytes)
    const encrypted = readdirSync(path.join(repositoryPath(from), 'backups')).filter(
      (name) => name !== id,
    )[0]
    await expect(restore(to, { name: encrypted ?? '' })).rejects.toMatchObject({
      code: 'BACKUP_PASSPHRASE_MISSING',
      exitCode: 78,
    })
    await expect(restore(to, { name: encrypted ?? '', secret: 'wrong' })).rejects.toMatchObject({
      code: 'BACKUP_PASSPHRASE_WRONG',
      exitCode: 77,
    })
    expect(await readAll(pool)).toEqual(spoilt)
    const restored = await restore(to, { name: id })
    // It is not in a set that is not encrypted; here it lies in the folder since the first restore.
    expect(restored.missingKeys).toEqual(['k'])
    expect(await readAll(pool)).toEqual(before)
  })

  it('while somebody works on the repository; and nobody comes between', async () => {
    const set = await openBackup(from, 'latest')
    const lock = await lockRepository(set.repository, { purpose: 'kiln backup prune', waitMs: 0 })
    await expect(restore(to)).rejects.toMatchObject({
      code: 'BACKUP_REPOSITORY_BUSY',
      exitCode: 75,
    })
    await lock.release()
    // While one is under way nobody takes its set away, adds what it would throw away, or runs jobs.
    const { pool } = to.context.database
    const [analysis] = await rows(to, 'select id from analyses limit 1')
    const prune = () =>
      pruneBackups(from.context, { repository: repositoryPath(from), rules: { keepLast: 1 } })
    const tried: unknown[] = []
    const target = await findRestoreTarget(to.context, undefined)
    await restoreSet(to.context, {
      set,
      target,
      releases: false,
      onStep: async (step) => {
        if (step !== 'loaded') return
        const attempts = [
          prune,
          () => backUp(from),
          () => insertJob(pool, String(analysis?.id)),
          () => insertAnalysis(pool),
          () => addExecutor(to.context),
          () => restore(to),
        ]
        for (const attempt of attempts) {
          tried.push(await attempt().catch((error: { code?: string }) => error.code))
        }
      },
    })
    const busy = 'BACKUP_REPOSITORY_BUSY'
    expect(tried).toEqual([busy, busy, '55P03', '55P03', '55P03', busy])
    expect(await readAll(pool)).toEqual(before)
    expect(await insertJob(pool, String(analysis?.id))).toBeTruthy()
    const { sets } = await prune()
    expect(sets.find(({ id }) => id === set.id)?.isKept).toBe(true)
  })

  it('a newer schema', async () => {
    const set = await openBackup(from, 'latest')
    const { postgres } = set.manifest
    if (!postgres) throw new Error('no tables')
    const migrations = [...postgres.migrations, { version: '9999', checksum: 'f'.repeat(64) }]
    const newer = { ...set, manifest: { ...set.manifest, postgres: { ...postgres, migrations } } }
    const target = await findRestoreTarget(to.context, undefined)
    await expect(
      restoreSet(to.context, { set: newer, target, releases: false }),
    ).rejects.toMatchObject({
      code: 'SCHEMA_NEWER',
      exitCode: 78,
      message: expect.stringMatching(/9999.*00\d\d/) as string,
    })
  })

  it('an older schema is carried through the migrations since', async () => {
    const last = (await loadMigrations()).at(-1)?.version ?? ''
    const previous = (await loadMigrations()).at(-2)?.version ?? ''
    const source = await createTestDatabase({ migrated: false })
    const database = openDatabase({
      target: {
        config: { connectionString: source.connectionString },
        label: 'the older database',
        isPrivate: false,
      },
      applicationName: 'kiln test',
      poolSize: 2,
    })
    const repository = path.join(from.folder.path, 'older')
    const jobs = `select id, status, parameters, logs from analysis_jobs order by id`
    try {
      await migrateUp({ database }, { to: previous })
      const analysisId = await insertAnalysis(database.pool, undefined, { title: 'older' })
      for (const text of ['\\N', 'tab\t', '']) {
        await insertJob(database.pool, analysisId, { status: 'completed', logs: [text] })
      }
      await createBackup({ ...from.context, database }, { repository, parts: ['postgres'] })
      const set = await openSet(await openRepository(repository), { name: 'latest' })
      const target = await findRestoreTarget(to.context, undefined)
      const restored = await restoreSet(to.context, { set, target, releases: false })
      expect(restored.migrated).toEqual([last])
      expect(await rows(to, jobs)).toEqual((await database.pool.query(jobs)).rows)
    } finally {
      await database.close()
      await source.drop()
    }
    expect((await verifyMigrations(to.context)).findings).toEqual([])
    expect(await rows(to, `select from pg_namespace where nspname like 'kiln\\_older%'`)).toEqual(
      [],
    )
  })
})

describe('a drill', () => {
  it('restores a set where nobody sees it, finds what is not right, and leaves nothing', async () => {
    await backUp(from, { parts: ['postgres', 'duckdb'] })
    const verify = () =>
      verifyBackup(from.context, {
        repository: repositoryPath(from),
        set: 'latest',
        level: 'drill',
        drill: drillSet(from.context),
      })
    expect(await verify()).toMatchObject({ isSound: true, findings: [] })
    const leftovers = await query(
      testRun().serverUrl,
      `select datname from pg_database where datname like 'kiln_drill%'`,
    )
    expect(leftovers.rows).toEqual([])
    expect(readdirSync(path.join(repositoryPath(from), 'tmp'))).toEqual([])
    // A manifest that counts one row too many is what a drill is for.
    const set = await openBackup(from, 'latest')
    const { postgres } = set.manifest
    const tables = postgres?.tables.map((table) =>
      table.name === 'analyses'
        ? {
            ...table,
            objects: table.objects.map((object) => ({ ...object, rows: object.rows + 1 })),
          }
        : table,
    )
    if (!postgres || !tables) throw new Error('no tables')
    const lying = { ...set, manifest: { ...set.manifest, postgres: { ...postgres, tables } } }
    expect(await drillSet(from.context)(lying, {})).toEqual([
      { object: 'pg', reason: expect.stringMatching(/1 rows.*manifest says 2/) as string },
    ])
    expect(existsSync(path.join(repositoryPath(from), 'tmp', 'drill'))).toBe(false)
  })
})
