/** Whole databases, by the programs of Postgres where they are installed. */
import { randomUUID } from 'node:crypto'
import path from 'node:path'
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openRepository, openSet } from '../../../src/core/backup/index.ts'
import { checkWhole, findRestoreTarget, restoreWhole } from '../../../src/core/restore/index.ts'
import { backUp } from '../../support/backup.ts'
import { type TestContext, openTestContext } from '../../support/core-context.ts'
import { addExecutor, insertAnalysis, insertJob } from '../../support/queue.ts'
import {
  createDatabase,
  markUnfinished,
} from '../../../src/core/restore/postgres/other-databases.ts'
import { waitUntil } from '../../support/wait-until.ts'
import { hasPgDump } from '../../support/restores.ts'
import { testRun } from '../../support/test-run.ts'
import { databaseUrl, query } from '../../support/test-server.ts'

let core: TestContext
const rows = async (sql: string): Promise<Record<string, unknown>[]> =>
  (await core.context.database.pool.query(sql)).rows

beforeAll(async () => {
  core = await openTestContext()
  await insertAnalysis(core.context.database.pool)
})
afterAll(() => core.close())

describe.runIf(hasPgDump)('a whole database', () => {
  const into = `kiln_test_whole_${randomUUID().slice(0, 8)}`
  const role = `kiln_test_${randomUUID().slice(0, 8)}`
  const repository = () => path.join(core.folder.path, 'whole')
  const restoreAll = async () =>
    restoreWhole(core.context, {
      set: await openSet(await openRepository(repository()), { name: 'latest' }),
      target: await findRestoreTarget(core.context, into),
      releases: false,
    })
  const inNew = async (sql: string): Promise<unknown[]> =>
    (await query(databaseUrl(testRun().serverUrl, into), sql)).rows
  afterAll(() => query(testRun().serverUrl, `drop database if exists ${into} with (force)`))

  it('comes back in a new one, with what is not ours, and nothing runs there', async () => {
    const { pool } = core.context.database
    await addExecutor(core.context)
    const [analysis] = await rows('select id from analyses limit 1')
    await insertJob(pool, String(analysis?.id), { status: 'pending' })
    await pool.query(`create table others (x integer primary key);
      insert into others select generate_series(1, 1000);
      create view both_of_us as select (select count(*) from others) as theirs, status from analysis_jobs;
      create function twice(x integer) returns integer language sql as 'select 2 * x'`)
    await backUp(core, { repository: repository(), profile: 'full' })
    const restored = await restoreAll()
    expect(restored.settled.heldJobs).toBe(1)
    expect(await inNew('select sum(twice(x))::integer as sum from others')).toEqual([
      { sum: 1_001_000 },
    ])
    const held = `select theirs::integer from both_of_us where status = 'pending'`
    expect(await inNew(held)).toEqual([{ theirs: 1000 }])
    expect(await inNew(`select from analysis_executors where stopped_at is null`)).toEqual([])
    expect(await inNew(`select from pg_namespace where nspname like 'kiln\\_%'`)).toEqual([])
    // Never over another, also not over itself.
    await expect(restoreAll()).rejects.toMatchObject({ code: 'RESTORE_REFUSED', exitCode: 65 })
    await query(testRun().serverUrl, `drop database ${into} with (force)`)
  })

  it('of which any part fails is not there at all, and the next succeeds', async () => {
    const { pool } = core.context.database
    await pool.query(`create role ${role}; alter table others owner to ${role}`)
    await backUp(core, { repository: repository(), profile: 'full' })
    await pool.query(`drop owned by ${role} cascade; drop role ${role}`)
    await expect(restoreAll()).rejects.toMatchObject({
      code: 'RESTORE_REFUSED',
      message: expect.stringContaining(`role "${role}" does not exist`) as string,
    })
    expect(await rows(`select from pg_database where datname = '${into}'`)).toEqual([])
    await query(testRun().serverUrl, `create role ${role}`)
    await restoreAll()
    expect(await inNew('select count(*)::integer as count from others')).toEqual([{ count: 1000 }])
    await query(testRun().serverUrl, `drop database ${into} with (force)`)
    await query(testRun().serverUrl, `drop role ${role}`)
  })

  it('that was killed half way is made anew, and nothing else is', async () => {
    await backUp(core, { repository: repository(), profile: 'full' })
    const server = testRun().serverUrl
    const state = `select shobj_description(oid, 'pg_database') as mark from pg_database where datname = '${into}'`
    // As a SIGKILL leaves it: made, marked, half filled, and nobody there.
    const { target: ownServer } = core.context.database
    await createDatabase(ownServer, into, { mayExist: false })
    await markUnfinished(ownServer, into)
    await query(databaseUrl(server, into), 'create table half (x integer)')
    const client = new pg.Client({ connectionString: databaseUrl(server, into) })
    await client.connect()
    // pg_restore goes on for a while when it has lost us.
    await expect(restoreAll()).rejects.toMatchObject({ code: 'LOCK_TIMEOUT', exitCode: 75 })
    await client.end()
    await waitUntil('it has gone', async () => {
      const sql = `select from pg_stat_activity where datname = '${into}'`
      return (await rows(sql)).length === 0
    })
    await restoreAll()
    expect(await inNew('select count(*)::integer as count from analyses')).toEqual([{ count: 1 }])
    expect(await inNew(`select to_regclass('half') as half`)).toEqual([{ half: null }])
    expect(await rows(state)).toEqual([{ mark: null }])
    await expect(restoreAll()).rejects.toMatchObject({ code: 'RESTORE_REFUSED' })
    await query(server, `drop database ${into} with (force)`)
  })

  it('is not in every set', async () => {
    const { id } = await backUp(core, { repository: repository() })
    const set = await openSet(await openRepository(repository()), { name: id })
    const target = await findRestoreTarget(core.context, into)
    await expect(checkWhole(core.context, { set, target })).rejects.toMatchObject({
      code: 'BACKUP_NOT_FOUND',
      exitCode: 66,
    })
  })
})
