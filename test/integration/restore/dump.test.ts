import { existsSync, appendFileSync, readFileSync, truncateSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { gzipSync, zstdCompressSync } from 'node:zlib'
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { verifyMigrations } from '../../../src/core/migrate/index.ts'
import { findRestoreTarget, planDump, releaseHeldJobs } from '../../../src/core/restore/index.ts'
import { type TestContext, openTestContext } from '../../support/core-context.ts'
import { createTestDatabase } from '../../support/database.ts'
import { addLastingExecutor, insertAnalysis, insertJob } from '../../support/queue.ts'
import {
  dataOnly,
  dump,
  hasPgDump,
  insertOddRows,
  readAll,
  restoreFrom,
  schemaOnly,
} from '../../support/restores.ts'

let core: TestContext
let analysisId: string
let before: Awaited<ReturnType<typeof readAll>>
const pool = () => core.context.database.pool
const rows = async (sql: string): Promise<Record<string, unknown>[]> =>
  (await pool().query(sql)).rows

beforeAll(async () => {
  core = await openTestContext()
  analysisId = (await insertOddRows(pool())).analysisId
  before = await readAll(pool())
})
afterAll(() => core.close())

/** Puts something else into the tables, so that what is there afterwards came from the dump. */
async function spoil(): Promise<void> {
  await pool().query(`delete from analysis_jobs; delete from analysis_metadata;
    update analyses set script_content = 'spoilt'`)
  await insertAnalysis(pool(), undefined, { title: 'later' })
}

describe.runIf(hasPgDump)('rows of a dump come back equal, and the schema is whole', () => {
  it.each([
    ['plain, as the guide makes it', dataOnly, false],
    ['gzipped', dataOnly, true],
    ['INSERT statements', ['--inserts', '--rows-per-insert=3', ...dataOnly], false],
    ['INSERT statements with columns', ['--column-inserts', ...dataOnly], false],
    ['the whole database in the custom format', ['-Fc'], false],
    ['the whole database as plain SQL', [], false],
    ['the custom format, gzipped once more', ['-Fc', ...dataOnly], true],
  ])('%s', async (name, args, isGzipped) => {
    const file = dump(core, args, { isGzipped })
    await spoil()
    const restored = await restoreFrom(core, file)
    expect(await readAll(pool())).toEqual(before)
    expect(restored.method).toBe('exchange')
    expect(restored.skippedStatements).toBeGreaterThan(0)
    if (name === 'plain, as the guide makes it') {
      const { findings } = await verifyMigrations(core.context)
      expect(findings).toEqual([])
      expect(await rows(`select state from analysis_restores`)).toEqual([{ state: 'done' }])
      expect(await rows(`select action from analysis_audit_log`)).toContainEqual({
        action: 'restore.postgres',
      })
      // Triggers act again: the insert by SQL gets its version and its reason to wait.
      const id = await insertAnalysis(pool(), undefined, { title: 'after', maxConcurrent: 1 })
      await insertJob(pool(), id)
      expect(
        await rows(`select waits_for_slot from analysis_jobs where analysis_id = '${id}'`),
      ).toEqual([{ waits_for_slot: true }])
      await pool().query('delete from analyses where id = $1', [id])
    }
  })
})

describe.runIf(hasPgDump)('the custom format', () => {
  it('needs pg_restore, looks where packages put it too, and else says so', async () => {
    const file = dump(core, ['-Fc'], { name: 'x.custom' })
    const { PATH } = process.env
    process.env.PATH = '/nowhere'
    try {
      const restoring = restoreFrom(core, file)
      if (existsSync('/usr/lib/postgresql')) expect((await restoring).format).toBe('custom')
      else {
        await expect(restoring).rejects.toMatchObject({ code: 'TOOL_MISSING', exitCode: 78 })
      }
    } finally {
      process.env.PATH = PATH
    }
  })
})

describe.runIf(hasPgDump)('what was going on', () => {
  it('has ended: running jobs are pending, pending ones are held, schedules go on from now', async () => {
    const executor = await addLastingExecutor(core.context)
    await insertJob(pool(), analysisId, { triggered_by: 'pending' })
    await insertJob(pool(), analysisId, { triggered_by: 'held', ready: false })
    for (const [name, maxLost] of [
      ['running', 3],
      ['one-shot', 0],
    ] as const) {
      await insertJob(pool(), analysisId, {
        triggered_by: name,
        status: 'running',
        attempt: 1,
        max_lost: maxLost,
        started_at: new Date().toISOString(),
        executor_id: executor,
        lease_token: '00000000-0000-0000-0000-000000000001',
      })
    }
    await pool().query(
      `insert into analysis_schedules (analysis_id, cron_expression, next_run_at, last_scheduled_for)
       values ($1, '0 * * * *', '2020-01-01', '2019-12-31')`,
      [analysisId],
    )
    const file = dump(core, dataOnly, { name: 'busy.sql' })
    await expect(restoreFrom(core, file)).rejects.toMatchObject({ code: 'EXECUTORS_RUNNING' })
    await pool().query('delete from analysis_executors')
    const { settled } = await restoreFrom(core, file)
    expect(settled).toMatchObject({ requeuedJobs: 1, lostJobs: 1, heldJobs: 2, schedules: 1 })
    const jobs = `select triggered_by as name, status, ready, waiting_reason as reason, attempt,
        handed_back_count as back, lease_token as token, error_code as error
      from analysis_jobs where triggered_by in ('pending', 'held', 'running', 'one-shot') order by 1`
    const reason = expect.stringContaining('--release') as string
    expect(await rows(jobs)).toEqual([
      {
        name: 'held',
        status: 'pending',
        ready: false,
        reason: 'held',
        attempt: 0,
        back: 0,
        token: null,
        error: null,
      },
      {
        name: 'one-shot',
        status: 'failed',
        ready: false,
        reason: null,
        attempt: 1,
        back: 0,
        token: null,
        error: 'executor_lost',
      },
      {
        name: 'pending',
        status: 'pending',
        ready: false,
        reason,
        attempt: 0,
        back: 0,
        token: null,
        error: null,
      },
      {
        name: 'running',
        status: 'pending',
        ready: false,
        reason,
        attempt: 1,
        back: 1,
        token: null,
        error: null,
      },
    ])
    expect(await rows('select next_run_at from analysis_schedules')).toEqual([
      { next_run_at: null },
    ])
    expect(await rows('select count(*)::int as n from analysis_leases')).toEqual([{ n: 0 }])
    expect(await releaseHeldJobs(core.context.database)).toBe(2)
    expect(await rows(`${jobs.replace('order by', 'and ready order by')}`)).toMatchObject([
      { name: 'pending', ready: true, reason: null },
      { name: 'running', ready: true, reason: null },
    ])
    await pool().query(`delete from analysis_schedules;
      delete from analysis_jobs where triggered_by in ('pending', 'held', 'running', 'one-shot')`)
  })
})

describe.runIf(hasPgDump)('a dump that is not whole, or not sound, changes nothing', () => {
  const refused = async (file: string, message: RegExp): Promise<void> => {
    await spoil()
    const spoilt = await readAll(pool())
    await expect(restoreFrom(core, file)).rejects.toMatchObject({
      code: 'BACKUP_DATA_INVALID',
      exitCode: 65,
      message: expect.stringMatching(message) as string,
    })
    const target = await findRestoreTarget(core.context, undefined)
    // Somebody who looks first is told the same.
    await expect(planDump(core.context, { file, target })).rejects.toMatchObject({
      code: 'BACKUP_DATA_INVALID',
      message: expect.stringMatching(message) as string,
    })
    expect(await readAll(pool())).toEqual(spoilt)
    expect(await rows(`select nspname from pg_namespace where nspname like 'kiln\\_new%'`)).toEqual(
      [],
    )
  }
  let good: string
  const variant = (name: string, change: (text: string) => string): string => {
    const file = path.join(core.folder.path, name)
    writeFileSync(file, change(readFileSync(good, 'utf8')))
    return file
  }
  beforeAll(async () => {
    await restoreFrom(core, dump(core, dataOnly, { name: 'reset.sql' })).catch(() => undefined)
    good = dump(core, dataOnly, { name: 'good.sql' })
  })

  it('cut in the middle of rows', async () => {
    const file = variant('cut.sql', (text) =>
      text.slice(0, text.indexOf('COPY public.analysis_jobs') + 900),
    )
    await refused(file, /cut off in the middle of the rows/)
  })
  it('cut between two tables', async () => {
    const file = variant('cut2.sql', (text) =>
      text.slice(0, text.indexOf('COPY public.analysis_jobs')),
    )
    await refused(file, /cut off before its end/)
  })
  it('a gzip that is cut', async () => {
    const file = path.join(core.folder.path, 'cut.sql.gz')
    writeFileSync(file, gzipSync(readFileSync(good)))
    truncateSync(file, 2000)
    await refused(file, /damaged or cut off/)
  })
  it('a custom dump that is cut', async () => {
    const file = dump(core, ['-Fc'], { name: 'cut.custom' })
    truncateSync(file, readFileSync(file).length - 3000)
    await refused(file, /pg_restore cannot read|cut off/)
  })
  it('one bad row', async () => {
    const file = variant('bad.sql', (text) => text.replace('\tcompleted\t', '\tsleeping\t'))
    await refused(file, /analysis_jobs refuses a row: .*status/)
  })
  it('a reference to nothing', async () => {
    const file = variant('orphan.sql', (text) =>
      text.replace(/(COPY public\.analyses \([^)]*\) FROM stdin;\n)[^]*?\n(\\\.\n)/, '$1$2'),
    )
    await refused(file, /breaks a rule of the tables/)
  })
  it('a column that Kiln has not', async () => {
    const file = variant('column.sql', (text) => text.replace('(id, title,', '(id, titel,'))
    await refused(file, /column titel/)
  })
  it('only the schema', async () => {
    await refused(dump(core, schemaOnly, { name: 'schema.sql' }), /no rows of Kiln's tables/)
  })
  it('no dump at all', async () => {
    const file = path.join(core.folder.path, 'noise')
    writeFileSync(file, Buffer.alloc(5000))
    await refused(file, /it is not text/)
  })
  it('one that is packed by another program', async () => {
    const file = path.join(core.folder.path, 'good.sql.zst')
    writeFileSync(file, zstdCompressSync(readFileSync(good)))
    await refused(file, /is packed by zstd/)
  })
  it('an INSERT of more than literals, which is never run', async () => {
    const file = path.join(core.folder.path, 'evil.sql')
    writeFileSync(
      file,
      `insert into analyses (title) values ((select pg_read_file('/etc/passwd')));\n`,
    )
    await refused(file, /not as pg_dump writes it/)
  })
  it('and what it says it would run is not run, while the next restore succeeds', async () => {
    appendFileSync(good, `drop table analysis_jobs;\n\\! touch ${core.folder.path}/owned\n`)
    const restored = await restoreFrom(core, good)
    expect(restored.skippedCommands).toBe(3)
    expect(await rows('select count(*) > 10 as some from analysis_jobs')).toEqual([{ some: true }])
  })
})

describe.runIf(hasPgDump)('dumps of before Kiln', () => {
  it('bring their projects, names and versions; what they lack stays', async () => {
    const old = await createTestDatabase({ migrated: false })
    const client = new pg.Client({ connectionString: old.connectionString })
    await client.connect()
    await client.query(`
      create table analyses (id uuid default gen_random_uuid() primary key, title text,
        script_content text, project_id text, version int default 1, is_active bool default true,
        metadata jsonb default '{}', created_by text, created_at timestamptz default now(),
        updated_at timestamptz default now());
      create table analysis_versions (id uuid default gen_random_uuid(), analysis_id uuid,
        version_number int, script_content text, change_description text, created_by text,
        metadata jsonb, created_at timestamptz default now());
      create table analysis_jobs (id uuid default gen_random_uuid(), analysis_id uuid, status text,
        parameters jsonb, result jsonb, error_message text, logs text[],
        created_at timestamptz default now(), started_at timestamptz, completed_at timestamptz,
        execution_time_ms bigint, triggered_by text default 'manual');
      insert into analyses (id, title, script_content, project_id, metadata, is_active) values
        ('00000000-0000-0000-0000-00000000000a', 'Sales', 'export default () => 1', 'p-new', null, null),
        ('00000000-0000-0000-0000-00000000000b', 'Sales', 'export default () => 2', 'p-new', '{}', true);
      insert into analysis_jobs (analysis_id, status, triggered_by) values
        ('00000000-0000-0000-0000-00000000000a', 'completed', null),
        ('00000000-0000-0000-0000-00000000000a', 'pending', 'cron');`)
    await client.end()
    const files = [
      dump(core, dataOnly, { name: 'old.sql', url: old.connectionString }),
      dump(core, ['--inserts', ...dataOnly], {
        name: 'old-inserts.sql',
        url: old.connectionString,
      }),
    ]
    await old.drop()
    for (const file of files) {
      if (file !== files[0]) {
        await pool().query(`alter table analysis_versions disable trigger user;
          update analysis_versions set script_content = 'other' where script_content like '%2';
          alter table analysis_versions enable trigger user`)
      }
      const plan = await planDump(core.context, {
        file,
        target: await findRestoreTarget(core.context, undefined),
      })
      expect(plan.tables.find(({ name }) => name === 'analyses')).toEqual({
        name: 'analyses',
        rows: 2,
      })
      const restored = await restoreFrom(core, file)
      // The second changes a script whose version is there: that makes another.
      expect(restored.settled).toMatchObject({ versions: file === files[0] ? 2 : 1, heldJobs: 1 })
      expect(restored.kept).toContainEqual({
        name: 'analysis_datasources',
        rows: 1,
        droppedRows: 0,
      })
      expect(
        await rows(`select a.name, a.metadata, a.is_active, a.max_concurrent, v.script_content
          from analyses a join analysis_versions v on v.analysis_id = a.id and v.version_number = a.version
          order by 1`),
      ).toEqual([
        {
          name: 'sales',
          metadata: {},
          is_active: true,
          max_concurrent: 1,
          script_content: 'export default () => 1',
        },
        {
          name: 'sales-2',
          metadata: {},
          is_active: true,
          max_concurrent: 1,
          script_content: 'export default () => 2',
        },
      ])
      expect(await rows(`select id from projects where id = 'p-new'`)).toHaveLength(1)
      expect(
        await rows(`select status, ready, triggered_by from analysis_jobs order by 1`),
      ).toEqual([
        { status: 'completed', ready: false, triggered_by: 'manual' },
        { status: 'pending', ready: false, triggered_by: 'cron' },
      ])
    }
    expect((await verifyMigrations(core.context)).findings).toEqual([])
  })
})
