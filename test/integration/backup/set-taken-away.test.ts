/** Two that work on one set, and rests of those that died. */
import { mkdirSync, readFileSync, readdirSync, rmSync, utimesSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import pg from 'pg'
import { afterAll, beforeAll, expect, it } from 'vitest'
import {
  ensureRepository,
  exportBackup,
  listBackups,
  lockRepository,
  openRepository,
  openSet,
  pruneBackups,
  setFolderOf,
  verifyBackup,
} from '../../../src/core/backup/index.ts'
import { makeScratchFolder } from '../../../src/core/restore/files/scratch-folder.ts'
import {
  drillNameOf,
  dropDrillLeftovers,
} from '../../../src/core/restore/postgres/drill-databases.ts'
import { createDatabase, dropDatabase } from '../../../src/core/restore/postgres/other-databases.ts'
import { addStoredResult, backUp, repositoryPath } from '../../support/backup.ts'
import { type TestContext, openTestContext } from '../../support/core-context.ts'
import { insertAnalysis } from '../../support/queue.ts'
import { testRun } from '../../support/test-run.ts'
import { databaseUrl } from '../../support/test-server.ts'

let core: TestContext
let analysisId: string
beforeAll(async () => {
  core = await openTestContext()
  analysisId = await insertAnalysis(core.context.database.pool)
})
afterAll(() => core.close())

it('a set that is pruned while it is verified is gone, and not damaged', async () => {
  const { id, path: folder } = await backUp(core)
  let hasGone = false
  await expect(
    verifyBackup(core.context, {
      repository: repositoryPath(core),
      set: id,
      level: 'full',
      onProgress: () => {
        if (!hasGone) rmSync(folder, { recursive: true })
        hasGone = true
      },
    }),
  ).rejects.toMatchObject({ code: 'BACKUP_NOT_FOUND', exitCode: 66 })
  expect(() => readdirSync(folder), 'nothing is written into what is gone').toThrow('ENOENT')
})

it('an export that was killed leaves nothing in the way, and what it left goes with the next', async () => {
  const { id } = await backUp(core)
  const file = path.join(core.folder.path, 'set.tar')
  const rest = `${file}.6f1f2c52-5d1c-4a6e-9d4e-2f1b1d6f7a10.tmp`
  const young = `${file}.00000000-5d1c-4a6e-9d4e-2f1b1d6f7a10.tmp`
  const other = `${file}.mine.tmp`
  for (const name of [rest, young, other]) writeFileSync(name, 'half')
  utimesSync(rest, 0, 0)
  utimesSync(other, 0, 0)
  await exportBackup(core.context, { repository: repositoryPath(core), set: id, file })
  const names = readdirSync(core.folder.path).filter((name) => name.startsWith('set.tar'))
  // Another may be at work there.
  expect(names.toSorted()).toEqual(
    [path.basename(file), path.basename(young), path.basename(other)].toSorted(),
  )
})

it('an export that is interrupted ends at once and leaves no file', async () => {
  await addStoredResult(core, analysisId, Buffer.alloc(8 * 1024 * 1024, 'x'))
  const { id } = await backUp(core)
  const controller = new AbortController()
  const folder = path.join(core.folder.path, 'interrupted')
  mkdirSync(folder)
  const repository = repositoryPath(core)
  const exporting = exportBackup(
    { ...core.context, signal: controller.signal },
    {
      repository,
      set: id,
      file: path.join(folder, 'set.tar'),
      onProgress: () => controller.abort(new Error('interrupted')),
    },
  )
  await expect(exporting).rejects.toThrow('interrupted')
  expect(readdirSync(folder)).toEqual([])
  expect(readdirSync(repository)).not.toContain('lock.json')
})

it('two rows that name one stored result, and one that has the name of a spare, are all in the set', async () => {
  const { pool } = core.context.database
  const storagePath = await addStoredResult(core, analysisId)
  await pool.query(
    `with job as (insert into analysis_jobs (analysis_id, status) values ($1, 'completed') returning id)
     insert into analysis_result_storage (job_id, storage_path, size_bytes, checksum, data_folder_id)
     select job.id, storage_path, size_bytes, checksum, data_folder_id
     from analysis_result_storage, job where storage_path = $2`,
    [analysisId, storagePath],
  )
  const { manifest } = await backUp(core)
  expect(manifest.status).toBe('complete')
  const same = manifest.results.filter((result) => result.storagePath === storagePath)
  expect(new Set(same.map(({ object }) => object.path)).size).toBe(2)
})

it('a file among the sets, and a lock file that says nothing, are in nobody’s way', async () => {
  const repository = await ensureRepository(path.join(core.folder.path, 'odd'))
  const file = setFolderOf(repository.path, '20260101T000000Z-manual-00000000')
  writeFileSync(file, 'not a set')
  for (const text of ['', '{}', 'null', '[1]', '{"process":{}}', '\0\0\0']) {
    writeFileSync(path.join(repository.path, 'lock.json'), text)
    const lock = await lockRepository(repository, { purpose: 'test', waitMs: 0 })
    await lock.release()
  }
  await backUp(core, { repository: repository.path })
  await pruneBackups(core.context, { repository: repository.path })
  expect(await listBackups(repository)).toHaveLength(1)
  expect(readFileSync(file, 'utf8')).toBe('not a set')
})

it('a drill keeps its folder when a backup is made meanwhile, and a dead one loses it', async () => {
  const { path: folder, id } = await backUp(core)
  const set = await openSet(await openRepository(repositoryPath(core)), { name: id })
  const living = await makeScratchFolder(set)
  const dead = await makeScratchFolder(set)
  const file = path.join(dead, 'owner.json')
  const owner = JSON.parse(readFileSync(file, 'utf8')) as { startTicks: string }
  writeFileSync(file, JSON.stringify({ ...owner, startTicks: '1' }))
  await backUp(core)
  expect(readdirSync(path.join(repositoryPath(core), 'tmp'))).toEqual([path.basename(living)])
  rmSync(living, { recursive: true })
  expect(readdirSync(folder)).toContain('manifest.json')
})

it('databases of drills that were killed go with a later one, those of now do not', async () => {
  const server = core.context.database.target
  const now = Date.now()
  const old = drillNameOf(now - 2 * 3_600_000, '00000001')
  const used = drillNameOf(now - 2 * 3_600_000, '00000002')
  const young = drillNameOf(now, '00000003')
  const other = 'kiln_drill_mine'
  for (const name of [old, used, young, other])
    await createDatabase(server, name, { mayExist: true })
  const client = new pg.Client({ connectionString: databaseUrl(testRun().serverUrl, used) })
  await client.connect()
  try {
    await dropDrillLeftovers(server, now)
    const { rows } = await core.context.database.pool.query<{ name: string }>(
      'select datname as name from pg_database where datname = any ($1) order by 1',
      [[old, used, young, other]],
    )
    expect(rows.map(({ name }) => name)).toEqual([used, young, other].toSorted())
  } finally {
    await client.end()
    for (const name of [old, used, young, other]) await dropDatabase(server, name)
  }
})
