import { randomUUID } from 'node:crypto'
import { existsSync } from 'node:fs'
import { chmod, lstat, lutimes, mkdir, open, readdir, rm, symlink, utimes } from 'node:fs/promises'
import path from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { type CleanupKind, type CleanupReport, cleanUp } from '../../../src/core/cleanup/index.ts'
import {
  daysAgo,
  insertEnded,
  putFile,
  putResult,
  resultName,
  useFolder,
} from '../../support/cleanup.ts'
import { type TestContext, openTestContext } from '../../support/core-context.ts'
import { addClaimed, addLastingExecutor, insertAnalysis } from '../../support/queue.ts'

const big = 100 * 1024 ** 2 + 1

let test: TestContext
let analysisId: string
beforeAll(async () => {
  test = await openTestContext()
  analysisId = await insertAnalysis(test.context.database.pool)
})
afterAll(() => test.close())
beforeEach(async () => {
  const { pool } = test.context.database
  await pool.query('truncate analysis_jobs, analysis_executors, analysis_audit_log cascade')
  await rm(dataDir(), { recursive: true, force: true })
  await useFolder(test.context)
})

const dataDir = () => test.context.settings.dataDir
const put = (name: string, options = {}) => putFile(dataDir(), name, options)
const there = (files: readonly string[]) => files.map((file) => existsSync(file))

async function clean(kind: CleanupKind, options = {}) {
  const report = await cleanUp(test.context, { kinds: [kind], ...options })
  return { ...report.items[0], notes: report.notes, problems: report.problems }
}

describe('orphan results', () => {
  it('deletes those without a row whose job has ended or is gone', async () => {
    const job = await insertEnded(test.context, analysisId, 3)
    const files = [
      await put(resultName(job), { days: 2 }),
      await put(resultName(randomUUID()), { days: 2 }),
      await put(`results/${randomUUID()}.json.gz`, { days: 2 }),
    ]
    expect(await clean('orphans', { dryRun: true })).toMatchObject({ count: 3 })
    expect(there(files)).toEqual([true, true, true])
    expect(await clean('orphans')).toMatchObject({ count: 3, files: 3, bytes: 21, state: 'done' })
    expect(there(files)).toEqual([false, false, false])
  })

  it('keeps young ones, named ones, those of jobs that run, and what it does not know', async () => {
    const named = await insertEnded(test.context, analysisId, 3)
    const executor = await addLastingExecutor(test.context)
    const running = await addClaimed(test.context, analysisId, executor)
    const files = [
      await put(resultName(randomUUID()), { days: 0.9 }),
      await putResult(test.context, named, { days: 30 }),
      await put(resultName(running.id), { days: 2 }),
      await put('results/notes.txt', { days: 200 }),
      await put('results/2025/01/02/report.json.gz', { days: 200 }),
    ]
    expect(await clean('orphans')).toMatchObject({ count: 0 })
    expect(there(files)).toEqual(files.map(() => true))
  })

  it('deletes the file of an earlier attempt beside the one that is named', async () => {
    const job = await insertEnded(test.context, analysisId, 3)
    const kept = await putResult(test.context, job, { days: 2 })
    const lost = await put(resultName(job).replace('-1.json', '-2.json'), { days: 2 })
    await clean('orphans')
    expect(there([kept, lost])).toEqual([true, false])
  })

  it('keeps all of them for a week after a restore', async () => {
    await test.context.database.pool.query(
      `insert into analysis_audit_log (actor, action, target_type, target_id, source)
       values ('x', 'restore.postgres', 'database', 'x', 'cli')`,
    )
    const file = await put(resultName(randomUUID()), { days: 2 })
    const { count, notes } = await clean('orphans')
    expect([count, existsSync(file), notes.join()]).toEqual([
      0,
      true,
      expect.stringContaining('restore'),
    ])
  })

  it('keeps those of unknown jobs in a folder that this database never used', async () => {
    await test.context.database.pool.query('truncate analysis_executors cascade')
    const file = await put(resultName(randomUUID()), { days: 2 })
    const { count, notes } = await clean('orphans')
    expect([count, existsSync(file), notes.join()]).toEqual([
      0,
      true,
      expect.stringContaining('never used'),
    ])
  })

  it('follows no link out of the folder', async () => {
    const outside = path.join(test.folder.path, 'elsewhere')
    const file = await putFile(outside, `${randomUUID()}-1.json.gz`, { days: 2 })
    await mkdir(path.join(dataDir(), 'results'), { recursive: true })
    await symlink(outside, path.join(dataDir(), 'results/2024'))
    expect(await clean('orphans')).toMatchObject({ count: 0 })
    expect(existsSync(file)).toBe(true)
  })
})

describe('temporary files', () => {
  /** A little over an hour. */
  const days = 0.05

  it('deletes those over 100 MB, and half-written ones of yesterday', async () => {
    const files = [
      await put('export.tmp', { bytes: big, days }),
      await put('some/where/else.tmp', { bytes: big, days }),
      await put(`folder-id.${randomUUID()}.tmp`, { days: 2 }),
    ]
    expect(await clean('tmp')).toMatchObject({ count: 3, bytes: 2 * big + 7 })
    expect(there(files)).toEqual([false, false, false])
  })

  it('enters no place of others, and takes nothing that is small, young or in use', async () => {
    const files = [
      await put('small.tmp', { days: 400 }),
      await put(`folder-id.${randomUUID()}.tmp`),
      await put('big.csv', { bytes: big, days: 400 }),
      // By a process of another container, whose open files cannot be seen.
      await put('writing-elsewhere.tmp', { bytes: big, days: 0.03 }),
      await put('postgres/base/big.tmp', { bytes: big, days }),
      await put('databases/p/duckdb_temp.tmp', { bytes: big, days }),
      await put(`jobs/${randomUUID()}/spill.tmp`, { bytes: big, days }),
      await put('backups/tmp/set/rows.tmp', { bytes: big, days }),
    ]
    await put('backups/repo.json')
    const inUse = await put('writing.tmp', { bytes: big, days })
    const handle = await open(inUse, 'r+')
    try {
      expect(await clean('tmp')).toMatchObject({ count: 0 })
    } finally {
      await handle.close()
    }
    expect(there([...files, inUse])).toEqual([...files, inUse].map(() => true))
  })

  it('keeps all in a folder that this database never used, and makes no data folder of it', async () => {
    const names = ['Downloads/vm.iso.tmp', `Downloads/rows.${randomUUID()}.tmp`]
    for (const name of names) await put(name, { bytes: big, days: 400 })
    const all = async () => (await readdir(dataDir(), { recursive: true })).toSorted()
    // As another database has made it.
    await test.context.database.pool.query('truncate analysis_executors cascade')
    const used = await all()
    expect(used).toContain('folder-id')
    expect(await clean('tmp')).toMatchObject({
      count: 0,
      notes: [expect.stringContaining('never')],
    })
    expect(await all()).toEqual(used)

    await rm(path.join(dataDir(), 'folder-id'))
    for (const dryRun of [true, false]) {
      const found = await clean('tmp', { dryRun })
      expect(found).toMatchObject({ count: 0, notes: [expect.stringContaining('never')] })
      expect(await all()).toEqual(used.filter((name) => name !== 'folder-id'))
    }
  })
})

it('leaves a row in the audit log for each kind of files that it took some of', async () => {
  const { pool } = test.context.database
  await put(resultName(randomUUID()), { days: 2 })
  await put(`folder-id.${randomUUID()}.tmp`, { days: 2 })
  await put(`folder-id.${randomUUID()}.tmp`, { days: 2 })
  const kinds = ['orphans', 'tmp', 'job-folders'] as const
  const audits = async () =>
    (
      await pool.query<{ kind: string }>(
        `select target_id as kind, details ->> 'rule' as rule
         from analysis_audit_log
         where action = 'cleanup.delete'
         order by id`,
      )
    ).rows
  await cleanUp(test.context, { kinds, dryRun: true })
  expect(await audits()).toEqual([])
  await cleanUp(test.context, { kinds })
  expect(await audits()).toEqual([
    { kind: 'orphans', rule: expect.stringContaining('24 h') },
    { kind: 'tmp', rule: expect.stringContaining('100 MB') },
  ])
  await cleanUp(test.context, { kinds })
  expect(await audits()).toHaveLength(2)
})

it('deletes no file where it cannot write the audit log', async () => {
  const { pool } = test.context.database
  const file = await put(resultName(randomUUID()), { days: 2 })
  await pool.query(`alter table analysis_audit_log add constraint full_log check (false) not valid`)
  try {
    await expect(clean('orphans')).rejects.toThrow('full_log')
  } finally {
    await pool.query('alter table analysis_audit_log drop constraint full_log')
  }
  expect(existsSync(file)).toBe(true)
})

describe('a dry run', () => {
  /** Every entry below the data folder. */
  const tree = async () => (await readdir(dataDir(), { recursive: true })).toSorted()
  const figures = (report: CleanupReport) =>
    report.items.map(({ kind, count, files, bytes }) => ({ kind, count, files, bytes }))

  it('names for every kind what a run then deletes, and changes nothing', async () => {
    const { pool } = test.context.database
    const old = await insertEnded(test.context, analysisId, 400)
    const young = await insertEnded(test.context, analysisId, 100)
    await putResult(test.context, old, { days: 400 })
    await putResult(test.context, young, { days: 100 })
    await insertEnded(test.context, analysisId, 10)
    for (const [id, days] of [
      [old, 400],
      [young, 100],
    ] as const) {
      await pool.query(
        `insert into analysis_job_logs (job_id, attempt, line_number, level, message, logged_at)
         values ($1, 1, 1, 'info', 'x', $2)`,
        [id, daysAgo(days)],
      )
    }
    await pool.query(
      `insert into analysis_executors
         (id, label, kind, host, pid, data_folder_id, started_at, stopped_at)
       values (gen_random_uuid(), 'gone', 'service', 'here', 1, gen_random_uuid(), $1, $1)`,
      [daysAgo(380)],
    )
    await put(resultName(randomUUID()), { days: 2 })
    await put('export.tmp', { bytes: big, days: 1 })
    await put(`folder-id.${randomUUID()}.tmp`, { days: 2 })
    await put(`jobs/${young}/inputs/a.csv`)
    const before = await tree()
    const dry = await cleanUp(test.context, { dryRun: true })
    expect(await tree()).toEqual(before)
    const { rows } = await pool.query('select from analysis_jobs')
    expect(rows).toHaveLength(3)
    const wet = await cleanUp(test.context)
    expect(figures(dry)).toEqual(figures(wet))
    const counted = Object.fromEntries(figures(wet).map(({ kind, count }) => [kind, count]))
    expect(counted).toEqual({
      results: 2,
      logs: 2,
      jobs: 1,
      occurrences: 0,
      executors: 1,
      orphans: 1,
      tmp: 2,
      'job-folders': 1,
    })
    expect(
      figures(await cleanUp(test.context, { dryRun: true })).map(({ count }) => count),
    ).toEqual(figures(wet).map(() => 0))
  })
})

describe('links', () => {
  it('are never touched, whatever they are called and lead to', async () => {
    const outside = await putFile(path.join(test.folder.path, 'outside'), 'file', { days: 400 })
    const ended = await insertEnded(test.context, analysisId, 1)
    const links = [
      resultName(randomUUID()),
      `jobs/${ended}`,
      `folder-id.${randomUUID()}.tmp`,
      'linked.tmp',
    ].map((name) => path.join(dataDir(), name))
    for (const [index, link] of links.entries()) {
      await mkdir(path.dirname(link), { recursive: true })
      await symlink(index === 1 ? path.dirname(outside) : outside, link)
      await lutimes(link, 1e9, 1e9)
    }
    const report = await cleanUp(test.context, { kinds: ['orphans', 'tmp', 'job-folders'] })
    expect(report.items.map(({ count }) => count)).toEqual([0, 0, 0])
    for (const link of links) expect((await lstat(link)).isSymbolicLink()).toBe(true)
    expect(existsSync(outside)).toBe(true)
  })
})

describe('job folders', () => {
  it('deletes those of ended jobs, and of unknown ones after a day', async () => {
    const ended = await insertEnded(test.context, analysisId, 1)
    const files = [
      await put(`jobs/${ended}/inputs/a.csv`),
      await put(`jobs/${randomUUID()}/spill.tmp`),
      // Of a later attempt.
      await put(`jobs/${ended}-12/inputs/a.csv`),
    ]
    const old = path.dirname(files[1] ?? '')
    await utimes(old, 1e9, 1e9)
    expect(await clean('job-folders')).toMatchObject({ count: 3, files: 3, bytes: 21 })
    expect(there([...files, old])).toEqual([false, false, false, false])
  })

  it('keeps those of jobs that an executor still holds, and of jobs that nobody knows', async () => {
    const executor = await addLastingExecutor(test.context)
    const running = await addClaimed(test.context, analysisId, executor)
    const stopping = await addClaimed(test.context, analysisId, executor)
    await test.context.database.pool.query(
      `update analysis_jobs set status = 'cancelled' where id = $1`,
      [stopping.id],
    )
    const files = [
      await put(`jobs/${running.id}/spill.tmp`),
      await put(`jobs/${stopping.id}/spill.tmp`),
      await put(`jobs/${stopping.id}-2/spill.tmp`),
      await put(`jobs/${randomUUID()}/young`),
      await put('jobs/other/file'),
    ]
    expect(await clean('job-folders')).toMatchObject({ count: 0 })
    expect(there(files)).toEqual(files.map(() => true))
  })
})

it('does nothing where there is no data folder, and makes none', async () => {
  await rm(dataDir(), { recursive: true })
  expect(await clean('tmp')).toMatchObject({ count: 0, state: 'done' })
  expect(existsSync(dataDir())).toBe(false)
})

describe.runIf(process.geteuid?.() === 0)('as an account that may not write there', () => {
  const asNobody = async <T>(work: () => Promise<T>): Promise<T> => {
    process.seteuid?.(65_534)
    try {
      return await work()
    } finally {
      process.seteuid?.(0)
    }
  }

  it('deletes rows, names the files that stay, and leaves them to the next one', async () => {
    const job = await insertEnded(test.context, analysisId, 100)
    const file = await putResult(test.context, job, { days: 100 })
    const folders = await readdir(dataDir(), { recursive: true, withFileTypes: true })
    for (const entry of folders) {
      await chmod(path.join(entry.parentPath, entry.name), entry.isDirectory() ? 0o755 : 0o644)
    }
    for (const folder of [test.folder.path, dataDir()]) await chmod(folder, 0o711)
    const report = await asNobody(() => cleanUp(test.context, { kinds: ['results'] }))
    expect(report.items[0]).toMatchObject({ count: 1, files: 0, state: 'done' })
    expect(report).toMatchObject({
      problemCount: 1,
      problems: [expect.stringContaining(path.basename(file))],
    })
    expect(await clean('orphans')).toMatchObject({ count: 1 })
    expect(existsSync(file)).toBe(false)
  })

  it('deletes rows though it may not enter the folder', async () => {
    await insertEnded(test.context, analysisId, 400)
    await chmod(test.folder.path, 0o711)
    await chmod(dataDir(), 0o700)
    const report = await asNobody(() => cleanUp(test.context))
    expect(report.items.find(({ kind }) => kind === 'jobs')).toMatchObject({ count: 1 })
    expect(report.problems.join()).toContain('not allowed')
  })
})
