import { existsSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import path from 'node:path'
import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { createAnalysis, setAnalysesActive } from '../../../src/core/analyses/index.ts'
import { openDataFolder } from '../../../src/core/os/index.ts'
import { deleteAnalyses, previewDeletion, storeResult } from '../../../src/core/results/index.ts'
import { type TestContext, openTestContext } from '../../support/core-context.ts'
import { declaredInspect, declaring } from '../../support/declared-inspect.ts'
import { insertAnalysis, insertJob } from '../../support/queue.ts'

let test: TestContext
beforeAll(async () => {
  test = await openTestContext()
})
afterAll(() => test.close())

const sql = async (text: string, values: unknown[] = []) =>
  (await test.context.database.pool.query(text, values)).rows as Record<string, unknown>[]

it('deletes everything of an analysis, the files of its results last', async () => {
  const { pool } = test.context.database
  const id = await insertAnalysis(pool)
  const otherId = await insertAnalysis(pool)
  const folder = await openDataFolder(test.context.settings.dataDir)
  const store = async (jobId: string, dataFolderId = folder.id, storagePath?: string) => {
    const stored = await storeResult(
      folder,
      { id: jobId, attempt: 1, startedAt: '2026-01-02T03:04:05Z' },
      '[1]',
    )
    await sql(
      `insert into analysis_result_storage (job_id, storage_path, size_bytes, checksum, data_folder_id)
       values ($1, $2, $3, $4, $5)`,
      [jobId, storagePath ?? stored.storagePath, stored.sizeBytes, stored.checksum, dataFolderId],
    )
    return path.join(folder.path, stored.storagePath)
  }
  const parent = await insertJob(pool, id, { status: 'completed' })
  const child = await insertJob(pool, otherId, { status: 'completed', parent_job_id: parent })
  const kept = await insertJob(pool, otherId, { status: 'completed' })
  const escaped = await insertJob(pool, id, { status: 'completed' })
  const elsewhere = await insertJob(pool, id, { status: 'completed' })
  const own = [await store(parent), await store(child)]
  const others = [
    await store(kept),
    await store(elsewhere, randomUUID()),
    await store(escaped, folder.id, '../outside'),
  ]
  await writeFile(path.join(folder.path, '..', 'outside'), 'not ours')
  await sql(`insert into analysis_schedules (analysis_id, cron_expression) values ($1, '@daily')`, [
    id,
  ])
  await sql(`insert into analysis_metadata (analysis_id, key, value) values ($1, 'k', '1')`, [id])

  const [{ name } = { name: '' }] = (await sql('select name from analyses where id = $1', [
    id,
  ])) as {
    name: string
  }[]
  const belongings = {
    versions: 1,
    jobs: 4,
    runningJobs: 0,
    schedules: 1,
    resultFiles: 4,
    resultBytes: expect.any(Number),
    metadataKeys: 1,
  }
  const references = [{ idOrName: name }]
  expect(await previewDeletion(test.context, references)).toMatchObject([{ belongings }])
  expect(await deleteAnalyses(test.context, references, { force: false })).toMatchObject([
    { word: name, analysis: { id }, belongings },
  ])
  expect(own.map((file) => existsSync(file))).toEqual([false, false])
  expect(others.map((file) => existsSync(file))).toEqual([true, true, true])
  expect(existsSync(path.join(folder.path, '..', 'outside'))).toBe(true)
  expect(await sql('select id from analysis_jobs')).toEqual([{ id: kept }])
  expect(await sql('select job_id from analysis_result_storage')).toEqual([{ job_id: kept }])
  expect(
    await sql(`select target_id, details ->> 'jobs' as jobs from analysis_audit_log
      where action = 'analysis.delete'`),
  ).toEqual([{ target_id: id, jobs: '4' }])
})

it('tells the audit log which script it was', async () => {
  const { context } = test
  const file = declaring({ title: 'One' })
  const { analysis } = await createAnalysis(context, { file, projectId: 'p' }, declaredInspect)
  const { id } = analysis
  await setAnalysesActive(context, [{ idOrName: id }], false)
  await setAnalysesActive(context, [{ idOrName: id }], true)
  await sql(`update analyses set script_content = 'export default () => 2' where id = $1`, [id])
  await deleteAnalyses(context, [{ idOrName: id }], { force: false })
  const rows = await sql(
    `select before_hash as before, after_hash as after
     from analysis_audit_log where target_id = $1 order by id`,
    [id],
  )
  const [created, disabled, enabled, deleted] = rows
  expect(disabled).toEqual({ before: created?.after, after: enabled?.before })
  expect(enabled?.after).toBe(created?.after)
  expect(deleted).toEqual({ before: expect.any(String), after: null })
  expect(deleted?.before).not.toBe(created?.after)
})

it('takes a job along that was inserted meanwhile, and lets none come after', async () => {
  const { pool } = test.context.database
  const id = await insertAnalysis(pool)
  const client = await pool.connect()
  try {
    await client.query('begin')
    await client.query('insert into analysis_jobs (analysis_id) values ($1)', [id])
    const deleting = deleteAnalyses(test.context, [{ idOrName: id }], { force: false })
    await client.query('commit')
    // The job was there first, so it goes with the analysis.
    expect(await deleting).toMatchObject([{ belongings: { jobs: 1 } }])
  } finally {
    client.release()
  }
  await expect(insertJob(pool, id)).rejects.toMatchObject({ code: '23503' })
})
