import { randomUUID } from 'node:crypto'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { chmod, chown, mkdir, readdir, rm, stat, symlink, writeFile } from 'node:fs/promises'
import { availableParallelism } from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { KilnError } from '../../../src/core/errors/index.ts'
import { type DoctorInput, chooseChecks, runDoctor } from '../../../src/core/health/index.ts'
import { isRoot, openDataFolder } from '../../../src/core/os/index.ts'
import { daysAgo, insertEnded, putFile, putResult } from '../../support/cleanup.ts'
import { type TestContext, openTestContext } from '../../support/core-context.ts'
import { addClaimed, addExecutor, addLastingExecutor, insertAnalysis } from '../../support/queue.ts'
import { insertSchedule } from '../../support/schedules.ts'

let test: TestContext
let analysisId: string
beforeAll(async () => {
  test = await openTestContext()
  analysisId = await insertAnalysis(test.context.database.pool)
  await openDataFolder(test.context.settings.dataDir)
})
afterAll(() => test.close())
beforeEach(async () => {
  await sql('truncate analysis_jobs, analysis_schedules, analysis_executors cascade')
})

const sql = async (text: string, values: unknown[] = []) =>
  (await test.context.database.pool.query<Record<string, unknown>>(text, values)).rows

/** While `work` goes on, nothing can be inserted into the table. */
async function refusing<T>(table: string, work: () => Promise<T>): Promise<T> {
  await sql(
    `create function refuse() returns trigger language plpgsql
       as $$ begin raise exception 'the table is full'; end $$`,
  )
  await sql(
    `create constraint trigger refuse after insert on ${table} deferrable initially deferred
       for each row execute function refuse()`,
  )
  try {
    return await work()
  } finally {
    await sql('drop function refuse cascade')
  }
}

const quick = [
  'environment',
  'settings',
  'postgres',
  'queue',
  'schedules',
  'results',
  'backups',
  'disk',
]
async function doctor(only: readonly string[], options: Partial<DoctorInput> = {}) {
  const { context } = test
  const report = await runDoctor({
    settings: context.settings,
    openContext: () => Promise.resolve(context),
    only,
    backupAgeMs: 7 * 86_400_000,
    snapshotAgeMs: 60_000,
    ...options,
  })
  const byId = new Map(report.results.map((result) => [result.check.id, result]))
  return { ...report, of: (id: string) => byId.get(id), first: report.results[0] }
}

it('has at least 30 checks in ten groups, each with a name of its own', () => {
  const checks = chooseChecks([])
  expect(checks.length).toBeGreaterThanOrEqual(30)
  expect(new Set(checks.map(({ id }) => id)).size).toBe(checks.length)
  expect(new Set(checks.map(({ group }) => group)).size).toBe(10)
  for (const { id, group } of checks) expect(id.startsWith(`${group}.`)).toBe(true)
})

it('finds nothing critical on a fresh database, and nothing that it cannot look at', async () => {
  const { results } = await doctor(quick)
  const bad = results.filter(
    ({ status, fact }) => status === 'critical' || fact.startsWith('cannot look'),
  )
  // The server of the tests is in a hurry.
  const facts = bad.map(({ check, fact }) => `${check.id}: ${fact}`)
  expect(facts).toEqual(['postgres.durability: off: fsync, full_page_writes'])
})

it('refuses a name that is none, and says which was meant', () => {
  expect(() => chooseChecks(['queue.lease'])).toThrow(
    expect.objectContaining({ code: 'USAGE', hint: expect.stringContaining('queue.leases') }),
  )
})

it('looks at all the rest without a database or settings', async () => {
  const away = new KilnError('DATABASE_CONNECTION_FAILED', 'connection failed: nothing there', {
    hint: 'start it',
  })
  const openContext = () => Promise.reject(away)
  const noDatabase = await doctor(quick, { openContext })
  expect(noDatabase.of('postgres.reachable')).toMatchObject({
    status: 'critical',
    mend: 'start it',
  })
  expect(noDatabase.of('queue.leases')?.status).toBe('skipped')
  expect(noDatabase.of('disk.space')?.status).not.toBe('skipped')
  const nothing = await doctor(quick, { openContext, settings: away })
  expect(nothing.of('disk.space')?.status).toBe('skipped')
  expect(nothing.of('environment.node')?.status).toBe('ok')
})

it('skips what the role may not look at', async () => {
  const { pool } = test.context.database
  const role = `kiln_test_${randomUUID().slice(0, 8)}`
  await sql(`create role ${role}`)
  await sql(`grant usage on schema public to ${role}`)
  const client = await pool.connect()
  try {
    await client.query(`alter database ${test.database.name} set role ${role}`)
    const { openDatabase } = await import('../../../src/core/database/index.ts')
    const database = openDatabase({
      target: test.context.database.target,
      applicationName: 'kiln test',
      poolSize: 4,
    })
    try {
      const openContext = () => Promise.resolve({ ...test.context, database })
      const { of } = await doctor(['queue', 'postgres'], { openContext })
      expect(of('queue.leases')).toMatchObject({
        status: 'skipped',
        fact: expect.stringContaining('no right to look'),
      })
      expect(of('postgres.privileges')).toMatchObject({
        status: 'critical',
        fact: expect.stringContaining('analysis_jobs: '),
      })
      // Of sessions of other roles it sees that they are there, and which locks they wait for.
      for (const id of ['postgres.old-snapshots', 'postgres.idle-transactions']) {
        expect(of(id)).toMatchObject({
          status: 'skipped',
          fact: expect.stringMatching(/no right to look at \d+ sessions of other roles/),
          mend: `as a superuser: grant pg_read_all_stats to ${role}`,
        })
      }
      expect(of('postgres.blocked')?.status).toBe('ok')
      expect(of('postgres.connections')?.fact).toMatch(/^([2-9]|\d\d+) of/)
      await sql(`grant pg_read_all_stats to ${role}`)
      const granted = await doctor(['postgres.old-snapshots'], { openContext })
      expect(granted.first?.status).toBe('ok')
    } finally {
      await database.close()
    }
  } finally {
    await client.query(`alter database ${test.database.name} reset role`)
    await client.query(`drop owned by ${role}`)
    await client.query(`drop role ${role}`)
    client.release()
  }
})

it('opens no database for checks that need none', async () => {
  let count = 0
  const openContext = () => ((count += 1), Promise.resolve(test.context))
  await doctor(['environment', 'settings.files', 'disk'], { openContext })
  expect(count).toBe(0)
  await doctor(['queue'], { openContext })
  expect(count).toBe(1)
})

describe('the queue', () => {
  it('tells of running jobs without a lease, and gives them one', async () => {
    const job = await addClaimed(test.context, analysisId, await addLastingExecutor(test.context))
    await sql('delete from analysis_leases')
    expect((await doctor(['queue.leases'])).first).toMatchObject({
      status: 'critical',
      mend: expect.stringContaining('select kiln_lease_running_jobs()'),
    })
    await sql('truncate analysis_audit_log')
    const fixed = await doctor(['queue.leases'], { fix: true })
    expect(fixed.first).toMatchObject({ status: 'ok', isFixed: true })
    expect(fixed.status).toBe('ok')
    expect(await sql('select job_ids from analysis_leases')).toEqual([{ job_ids: [job.id] }])
    expect(await sql('select action, target_id from analysis_audit_log')).toEqual([
      { action: 'doctor.fix', target_id: 'queue.leases' },
    ])
  })

  it('mends rows and writes of it in the audit log, or does neither', async () => {
    await addClaimed(test.context, analysisId, await addLastingExecutor(test.context))
    await sql('delete from analysis_leases')
    await sql('truncate analysis_audit_log')
    const rows = async () => [
      ...(await sql('select token from analysis_leases')),
      ...(await sql('select action from analysis_audit_log')),
    ]
    for (const table of ['analysis_audit_log', 'analysis_leases']) {
      const refused = await refusing(table, () => doctor(['queue.leases'], { fix: true }))
      expect(refused.first).toMatchObject({
        status: 'critical',
        isFixed: false,
        fact: expect.stringContaining('mending it failed: the table is full'),
      })
      expect(await rows()).toEqual([])
    }
  })

  it('tells of dead executors, and takes their jobs back', async () => {
    const child = spawn('true')
    await once(child, 'exit')
    const executor = await addExecutor(test.context, { pid: child.pid ?? 0 })
    const job = await addClaimed(test.context, analysisId, executor)
    expect((await doctor(['queue.dead-executors'])).first?.status).toBe('warning')
    await doctor(['queue.dead-executors'], { fix: true })
    expect(await sql('select status from analysis_jobs where id = $1', [job.id])).toEqual([
      { status: 'pending' },
    ])
  })

  it('tells of jobs that are due and nobody runs, and of those that wait too long', async () => {
    await sql(
      `insert into analysis_jobs (analysis_id, run_at) values ($1, now() - interval '1 hour')`,
      [analysisId],
    )
    const { of, status } = await doctor(['queue'])
    expect(of('queue.executors')?.status).toBe('critical')
    expect(of('queue.oldest-due')?.status).toBe('critical')
    expect(status).toBe('critical')
  })

  it('tells of jobs that run too long, are held, or fail again and again', async () => {
    const job = await addClaimed(test.context, analysisId, await addLastingExecutor(test.context))
    await sql(`update analysis_jobs set started_at = now() - interval '1 day' where id = $1`, [
      job.id,
    ])
    await sql(
      `insert into analysis_jobs (analysis_id, run_at, ready)
       values ($1, now() - interval '2 days', false)`,
      [analysisId],
    )
    for (let count = 0; count < 5; count += 1) {
      await insertEnded(test.context, analysisId, 1, { status: 'failed' })
    }
    const { of } = await doctor(['queue'])
    expect(of('queue.overdue')).toMatchObject({
      status: 'critical',
      mend: expect.stringContaining(job.id),
    })
    expect(of('queue.held')?.fact).toContain('held')
    expect(of('queue.failing')?.fact).toContain('test')
  })
})

it('names who holds an old snapshot, and who sits idle', async () => {
  const client = await test.context.database.pool.connect()
  try {
    await client.query(`set application_name = 'kiln backup create'`)
    await client.query('begin isolation level repeatable read')
    await client.query('select 1')
    const { first } = await doctor(['postgres.old-snapshots'], { snapshotAgeMs: 1 })
    expect(first).toMatchObject({
      status: 'warning',
      fact: expect.stringMatching(
        /a running backup holds a snapshot: pid \d+ \(kiln backup create/,
      ),
      mend: 'let the backup end',
    })
  } finally {
    client.release(true)
  }
})

it('tells of invalid indexes and of what is missing in the schema', async () => {
  await sql('create index broken on analysis_jobs (created_at)')
  await sql(`update pg_index set indisvalid = false where indexrelid = 'broken'::regclass`)
  await sql('alter table analysis_metadata drop constraint analysis_metadata_pkey')
  const { of } = await doctor(['postgres'])
  expect(of('postgres.invalid-indexes')).toMatchObject({ fact: expect.stringContaining('broken') })
  expect(of('postgres.catalogue')).toMatchObject({
    status: 'critical',
    fact: expect.stringContaining('analysis_metadata_pkey'),
  })
  await sql('alter table analysis_metadata add primary key (analysis_id, key)')
  await sql('drop index broken')
})

it('tells of late schedules, rules that cannot be planned, and disabled analyses', async () => {
  const { pool } = test.context.database
  await insertSchedule(pool, analysisId, { next_run_at: daysAgo(1) })
  await insertSchedule(pool, analysisId, { rule_error: 'no such zone', rule_error_at: daysAgo(1) })
  await sql('update analyses set is_active = false')
  const { of } = await doctor(['schedules'])
  await sql('update analyses set is_active = true')
  expect(of('schedules.late')?.status).toBe('critical')
  expect(of('schedules.rules')?.fact).toContain('no such zone')
  expect(of('schedules.inactive')?.status).toBe('warning')
})

it('tells of tasks that failed, and of those that no service takes part in', async () => {
  const addTask = async (task: string, attended: string): Promise<void> => {
    await sql(
      `with schedule as (
         insert into analysis_schedules (cron_expression, origin, next_run_at)
         values ('0 3 * * *', 'system', now() - interval '1 hour')
         returning id
       )
       insert into analysis_tasks (schedule_id, task, attended_at)
       select id, $1, now() - $2::interval
       from schedule`,
      [task, attended],
    )
  }
  const addRun = (task: string, status: string, ago: string) =>
    sql(
      `insert into analysis_task_runs (schedule_id, status, error_message, created_at)
       select schedule_id, $2, 'disk is full', now() - $3::interval
       from analysis_tasks
       where task = $1`,
      [task, status, ago],
    )
  await addTask('cleanup', '1 hour')
  const unattended = await doctor(['schedules'])
  expect(unattended.of('schedules.late')?.status).toBe('ok')
  expect(unattended.of('schedules.attended')).toMatchObject({
    status: 'warning',
    fact: expect.stringContaining('nobody runs: cleanup (since 20'),
    mend: expect.stringContaining('kiln schedule disable system:cleanup'),
  })

  await sql(`update analysis_tasks set attended_at = now()`)
  await addTask('verify', '1 second')
  await addRun('cleanup', 'failed', '2 days')
  await addRun('cleanup', 'completed', '1 day')
  await addRun('verify', 'failed', '1 hour')
  const { of } = await doctor(['schedules'])
  expect(of('schedules.late')?.fact).toContain('2 are late')
  expect(of('schedules.attended')?.status).toBe('ok')
  expect(of('schedules.tasks')).toMatchObject({
    status: 'warning',
    fact: 'failed: verify (disk is full)',
    mend: 'kiln schedule show system:verify',
  })
})

it('tells of result files that are gone, and of what cleanup has left too long', async () => {
  await rm(
    await putResult(test.context, await insertEnded(test.context, analysisId, 2), { days: 2 }),
  )
  await insertEnded(test.context, analysisId, 373)
  await putFile(test.context.settings.dataDir, 'big.tmp', { bytes: 101 * 1024 ** 2, days: 1 })
  const { of } = await doctor(['results'])
  expect(of('results.files')).toMatchObject({
    status: 'critical',
    fact: expect.stringContaining('1 of the last 1'),
  })
  expect(of('results.retention')).toMatchObject({
    status: 'warning',
    fact: 'overdue: jobs',
    mend: 'kiln cleanup',
  })
  expect(of('results.leftovers')?.status).toBe('warning')
})

it('does not wait for cleanup to delete what it keeps', async () => {
  const look = async (settings: Partial<DoctorInput['settings']> = {}) => {
    const all = { ...test.context.settings, ...settings }
    return (await doctor(['results.retention'], { settings: all })).first?.status
  }
  await insertEnded(test.context, analysisId, 400, { completed_at: daysAgo(1) })
  await insertEnded(test.context, analysisId, 400, { status: 'pending', completed_at: null })
  await insertEnded(test.context, analysisId, 371)
  expect(await look()).toBe('ok')
  await insertEnded(test.context, analysisId, 380)
  expect(await look()).toBe('warning')
  // Jobs stay as long as their results.
  expect(await look({ resultRetentionMs: 400 * 86_400_000 })).toBe('ok')
})

it('makes no data folder of a folder that is none', async () => {
  const dataDir = path.join(test.folder.path, 'of-others')
  await mkdir(dataDir)
  const context = { ...test.context, settings: { ...test.context.settings, dataDir } }
  const { of } = await doctor(['results', 'duckdb.project-databases'], {
    openContext: () => Promise.resolve(context),
    settings: context.settings,
  })
  expect(of('results.files')?.status).toBe('skipped')
  expect(of('results.leftovers')?.status).toBe('ok')
  expect(of('duckdb.project-databases')?.status).toBe('skipped')
  expect(await readdir(dataDir)).toEqual([])
})

it('tells how old the newest verified backup is', async () => {
  expect((await doctor(['backups.verified'])).first?.status).toBe('skipped')
  await sql(
    `insert into analysis_backups (id, repository, kind, status, created_at)
     values ('new', 'r', 'manual', 'partial', now())`,
  )
  expect((await doctor(['backups.verified'])).first?.fact).toContain('no backup was ever verified')
  await sql(
    `insert into analysis_backups (id, repository, kind, status, created_at, verified_at, verified_ok)
     values ('old', 'r', 'manual', 'complete', now() - interval '8 days', now(), true),
       ('damaged', 'r', 'manual', 'complete', now() - interval '1 day', now(), false)`,
  )
  const { of } = await doctor(['backups'])
  expect(of('backups.verified')).toMatchObject({ status: 'critical', fact: 'it is 8 d old' })
  expect(of('backups.complete')?.fact).toBe('new is partial')
  const later = await doctor(['backups.verified'], { backupAgeMs: 9 * 86_400_000 })
  expect(later.first?.status).toBe('ok')
})

it('tells of restores that were interrupted, and of what old ones keep', async () => {
  const look = async () => (await doctor(['backups.restores'])).first
  expect((await look())?.status).toBe('ok')
  await sql(
    `insert into analysis_restores (id, source, state, method, old_schema, started_at, finished_at)
     values ('first', 's', 'done', 'exchange', 'kiln_old_first', now() - interval '15 days',
       now() - interval '15 days')`,
  )
  expect(await look()).toMatchObject({ status: 'warning', mend: 'kiln restore drop-old' })
  await sql(
    `insert into analysis_restores (id, source, state, method) values ('last', 's', 'staged', 'exchange')`,
  )
  expect((await look())?.fact).toBe('the restore last was interrupted: nothing of it is live')
  const mark = path.join(test.context.settings.dataDir, 'restore', 'moving')
  await mkdir(path.dirname(mark), { recursive: true })
  await writeFile(mark, 'x')
  expect((await look())?.status).toBe('critical')
  await rm(path.dirname(mark), { recursive: true })
  await sql('delete from analysis_restores')
})

it('closes folders and files of the data folder to others', async () => {
  const { dataDir } = test.context.settings
  const folder = path.join(dataDir, 'databases/p')
  await mkdir(folder, { recursive: true })
  const file = path.join(folder, 'p.duckdb')
  await writeFile(file, 'x', { mode: 0o644 })
  await chmod(file, 0o644)
  await chmod(folder, 0o755)
  const { first } = await doctor(['disk.modes'])
  expect(first).toMatchObject({ status: 'warning', fact: expect.stringContaining('p.duckdb') })
  expect((await doctor(['disk.modes'], { fix: true })).first).toMatchObject({
    status: 'ok',
    isFixed: true,
  })
  expect((await stat(file)).mode & 0o777).toBe(0o600)
  expect((await stat(folder)).mode & 0o077 & ~0o011).toBe(0)
})

it('looks at the files that secret settings are read from', async () => {
  const own = path.join(test.folder.path, 'passphrase')
  await writeFile(own, 'secret')
  await chmod(own, 0o640)
  process.env.BACKUP_PASSPHRASE_FILE = own
  // Not secret, and not there.
  process.env.HOST_FILE = '/etc/passwd'
  process.env.ANALYSIS_API_TOKEN_FILE = path.join(test.folder.path, 'none')
  try {
    expect((await doctor(['settings.files'])).first).toMatchObject({
      status: 'warning',
      fact: `others may read ${own}`,
      mend: `chmod 600 ${own}`,
    })
    expect((await doctor(['settings.files'], { fix: true })).first?.isFixed).toBe(true)
    expect((await stat(own)).mode & 0o777).toBe(0o600)
    // Of another account: its group may read it.
    if (isRoot()) {
      await chown(own, 65_534, 65_534)
      await chmod(own, 0o640)
      expect((await doctor(['settings.files'])).first?.status).toBe('ok')
      await chmod(own, 0o644)
      const { first } = await doctor(['settings.files'], { fix: true })
      expect(first).toMatchObject({ status: 'warning', mend: `as uid 65534: chmod o-rwx ${own}` })
    }
  } finally {
    delete process.env.BACKUP_PASSPHRASE_FILE
    delete process.env.HOST_FILE
    delete process.env.ANALYSIS_API_TOKEN_FILE
  }
})

it('writes over nothing that others have put into the temporary folder', async () => {
  const { TMPDIR } = process.env
  const folder = path.join(test.folder.path, 'tmp')
  const target = path.join(test.folder.path, 'target')
  await mkdir(folder)
  await symlink(target, path.join(folder, `kiln-doctor-${process.pid}`))
  process.env.TMPDIR = folder
  try {
    expect((await doctor(['environment.temporary-folder'])).first?.status).toBe('ok')
    expect(await readdir(folder)).toEqual([`kiln-doctor-${process.pid}`])
    expect(existsSync(target)).toBe(false)
  } finally {
    if (TMPDIR === undefined) delete process.env.TMPDIR
    else process.env.TMPDIR = TMPDIR
  }
})

it('warns from the first job beyond 8 a core', async () => {
  const look = async (maxConcurrentJobs: number) => {
    const settings = { ...test.context.settings, maxConcurrentJobs }
    return (await doctor(['environment.cores'], { settings })).first?.status
  }
  const most = 8 * availableParallelism()
  expect([await look(most), await look(most + 1)]).toEqual(['ok', 'warning'])
})

it.skipIf(isRoot())('tells of a data folder that cannot be made', async () => {
  const parent = path.join(test.folder.path, 'closed')
  await mkdir(parent, { mode: 0o500 })
  const settings = { ...test.context.settings, dataDir: path.join(parent, 'a/data') }
  const { first } = await doctor(['environment.data-folder'], { settings })
  expect(first).toMatchObject({ status: 'critical', fact: expect.stringContaining(parent) })
})

it('closes files also where no audit log can be written, and says so', async () => {
  const file = path.join(test.context.settings.dataDir, 'open')
  const away = new KilnError('DATABASE_CONNECTION_FAILED', 'connection failed: nothing there')
  const fix = (options: Partial<DoctorInput> = {}) =>
    doctor(['disk.modes'], { fix: true, ...options })
  const ways = [
    [() => fix({ openContext: () => Promise.reject(away) }), 'connection failed: nothing there'],
    [() => refusing('analysis_audit_log', fix), 'the table is full'],
  ] as const
  for (const [way, problem] of ways) {
    await writeFile(file, 'x')
    await chmod(file, 0o644)
    expect((await way()).first).toMatchObject({
      status: 'ok',
      isFixed: true,
      fact: expect.stringContaining(`mended, and not in the audit log: ${problem}`),
    })
    expect((await stat(file)).mode & 0o777).toBe(0o600)
  }
})

it('closes the key of the datasources, whose folder nobody passes, also as root', async () => {
  const keys = path.join(test.context.settings.dataDir, 'keys')
  const key = path.join(keys, 'datasources.key')
  await mkdir(keys, { recursive: true })
  await writeFile(key, 'x', { flag: 'a' })
  await chmod(key, 0o644)
  expect((await doctor(['disk.modes'])).first).toMatchObject({
    status: 'warning',
    fact: expect.stringContaining('datasources.key'),
  })
  await chmod(keys, 0o711)
  await doctor(['disk.modes'], { fix: true })
  expect([(await stat(keys)).mode & 0o777, (await stat(key)).mode & 0o777]).toEqual([0o700, 0o600])
})

it('tries what SQL of a job may do: no file, no 2 GB', async () => {
  const { of } = await doctor(['duckdb'])
  expect(of('duckdb.files-denied')?.fact).toBe('reading a private file was refused')
  expect(of('duckdb.memory-limit')?.fact).toBe('taking 2 GB was refused')
})
