/** What operators have added to the tables, and a restore into a database that has none of it. */
import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import {
  findRestoreTarget,
  planSet,
  restoreSet,
  undoRestore,
} from '../../../src/core/restore/index.ts'
import { backUp, openBackup } from '../../support/backup.ts'
import { type TestContext, openTestContext } from '../../support/core-context.ts'
import { insertAnalysis, insertJob } from '../../support/queue.ts'

let from: TestContext
let to: TestContext
const rows = async (core: TestContext, sql: string): Promise<Record<string, unknown>[]> =>
  (await core.context.database.pool.query(sql)).rows

beforeAll(async () => {
  ;[from, to] = await Promise.all([openTestContext(), openTestContext()])
  const { pool } = from.context.database
  const analysis = await insertAnalysis(pool, undefined, { title: 'saved' })
  const job = await insertJob(pool, analysis, { status: 'completed' })
  await pool.query(`
    alter table analysis_jobs add column team varchar(20) not null default 'red',
      add column "Cost, in €" numeric(12, 2)[], add column seen timestamp(3) with time zone;
    alter table projects add column owner text`)
  await pool.query(
    `update analysis_jobs set team = 'blue', "Cost, in €" = '{1.50,null}', seen = 'epoch' where id = $1`,
    [job],
  )
})
afterAll(async () => {
  await from.close()
  await to.close()
})

async function restore() {
  const set = await openBackup(from)
  const target = await findRestoreTarget(to.context, undefined)
  return {
    target,
    plan: await planSet(to.context, { set, target }),
    restored: await restoreSet(to.context, { set, target, releases: false }),
  }
}

const columns = `select team, "Cost, in €"::text as cost, seen = 'epoch' as seen from analysis_jobs`
const types = `select attname as name, format_type(atttypid, atttypmod) as type
  from pg_attribute where attrelid = 'analysis_jobs'::regclass and attnum > 0
    and attname in ('team', 'Cost, in €', 'seen') order by 1`

describe('columns of operators', () => {
  it.each([
    ['exchanged', ''],
    ['in place', 'create view mine as select id, status from analysis_jobs'],
  ])(
    'come with the rows into tables that lack them, and go with a rollback: %s',
    async (how, before) => {
      const { pool } = to.context.database
      if (before !== '') await pool.query(before)
      await backUp(from)
      await insertAnalysis(pool, undefined, { title: 'live' })
      const { target, plan, restored } = await restore()
      expect(restored.method).toBe(how === 'exchanged' ? 'exchange' : 'in_place')
      expect(restored.added).toEqual(plan.added)
      expect(restored.added.map(({ table, name, type }) => `${table}.${name} ${type}`)).toEqual([
        'analysis_jobs.team character varying(20)',
        'analysis_jobs.Cost, in € numeric(12,2)[]',
        'analysis_jobs.seen timestamp(3) with time zone',
        'projects.owner text',
      ])
      expect(await rows(to, columns)).toEqual([{ team: 'blue', cost: '{1.50,NULL}', seen: true }])
      expect(await rows(to, types)).toEqual(await rows(from, types))
      await undoRestore(to.context, target)
      expect(await rows(to, `select title from analyses`)).toContainEqual({ title: 'live' })
      await pool.query(`drop view if exists mine;
      alter table analysis_jobs drop column if exists team, drop column if exists "Cost, in €",
        drop column if exists seen;
      alter table projects drop column if exists owner; delete from analyses`)
    },
  )

  it('of a type that is not there refuse the restore, and nothing was changed', async () => {
    await from.context.database.pool.query(
      `create type mood as enum ('good'); alter table analyses add column mood mood`,
    )
    await backUp(from)
    await insertAnalysis(to.context.database.pool, undefined, { title: 'live' })
    await expect(restore()).rejects.toMatchObject({
      code: 'RESTORE_REFUSED',
      exitCode: 65,
      message: expect.stringContaining('analyses.mood of the type mood') as string,
    })
    expect(await rows(to, 'select title from analyses')).toEqual([{ title: 'live' }])
    await to.context.database.pool.query(`create type mood as enum ('good')`)
    await restore()
    expect(await rows(to, 'select title, mood from analyses')).toEqual([
      { title: 'saved', mood: null },
    ])
    await from.context.database.pool.query('alter table analyses drop column mood')
  })

  it('of a hostile manifest run nothing', async () => {
    await backUp(from)
    const set = await openBackup(from)
    const { postgres } = set.manifest
    const table = postgres?.tables.find(({ name }) => name === 'projects')
    const target = await findRestoreTarget(to.context, undefined)
    for (const type of [
      'text); drop table analyses; --',
      'text default (pg_sleep(9))',
      'int(1,2) (3)',
      'text collate "C"',
    ]) {
      table?.columns.splice(-1, 1, { name: 'owner2', type })
      await expect(restoreSet(to.context, { set, target, releases: false })).rejects.toMatchObject({
        code: 'RESTORE_REFUSED',
      })
    }
    expect(await rows(to, `select to_regclass('analyses') is not null as there`)).toEqual([
      { there: true },
    ])
  })
})

describe('what SQL text does not say of a table', () => {
  it.each([
    [
      'a comment on an index',
      `create index mine on analysis_jobs (status); comment on index mine is 'ours'`,
      `select obj_description('mine'::regclass) as found`,
      'comment on index mine',
    ],
    [
      'a comment on a trigger',
      `create function nothing() returns trigger language plpgsql as 'begin return new; end';
      create trigger mine before update on analysis_jobs for each row execute function nothing();
      comment on trigger mine on analysis_jobs is 'ours'`,
      `select obj_description(oid, 'pg_trigger') as found from pg_trigger where tgname = 'mine'`,
      'comment on trigger mine on table analysis_jobs',
    ],
    [
      'statistics of a column',
      'alter table analysis_jobs alter column status set statistics 500',
      `select attstattarget as found from pg_attribute where attrelid = 'analysis_jobs'::regclass and attname = 'status'`,
      'statistics of column status of analysis_jobs',
    ],
    [
      'clustering',
      'create index mine on analysis_jobs (status); cluster analysis_jobs using mine',
      `select indisclustered as found from pg_index where indexrelid = 'mine'::regclass`,
      'clustering of table analysis_jobs',
    ],
    [
      'a table above it',
      'create table above (id uuid not null); alter table analysis_jobs inherit above',
      'select count(*)::integer as found from above',
      'table above, whose part is analysis_jobs',
    ],
  ])('%s is there after the restore as before', async (_, make, look, bound) => {
    const { pool } = to.context.database
    await backUp(from)
    await restore()
    await pool.query(make)
    const before = await rows(to, look)
    const { restored } = await restore()
    expect(restored.dependents.bound).toEqual([bound])
    expect(restored.method).toBe('in_place')
    expect(await rows(to, look)).toEqual(before)
    await pool.query(`alter table analysis_jobs set without cluster; drop index if exists mine;
      drop function if exists nothing cascade; alter table analysis_jobs alter column status set statistics -1`)
    if (make.includes('inherit'))
      await pool.query('alter table analysis_jobs no inherit above; drop table above')
  })

  it('the owner of a table and what he granted are those of before', async () => {
    const { pool } = to.context.database
    const role = `kiln_test_${randomUUID().slice(0, 8)}`
    await pool.query(`create role ${role}; alter table analysis_jobs owner to ${role};
      grant select on analysis_jobs to public`)
    const look = `select pg_get_userbyid(relowner) as owner, relacl::text as grants
      from pg_class where oid = 'analysis_jobs'::regclass`
    const before = await rows(to, look)
    expect((await restore()).restored.method).toBe('exchange')
    expect(await rows(to, look)).toEqual(before)
    await pool.query(
      `reassign owned by ${role} to current_user; drop owned by ${role}; drop role ${role}`,
    )
  })

  it('rows of a table that hangs below one stay, and are not taken for its own', async () => {
    const { pool } = to.context.database
    await pool.query(
      `create table below () inherits (projects); insert into below (id, name) values ('theirs', 'theirs')`,
    )
    await restore()
    expect(await rows(to, `select id from below`)).toEqual([{ id: 'theirs' }])
    expect(await rows(to, `select count(*)::integer as n from only projects`)).toEqual(
      await rows(from, `select count(*)::integer as n from projects`),
    )
    await pool.query('drop table below')
  })
})
