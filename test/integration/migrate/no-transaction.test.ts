import { afterEach, beforeEach, expect, test } from 'vitest'
import {
  type MigrationProgress,
  acquireSchemaLock,
  migrateDown,
  migrateUp,
  releaseSchemaLock,
} from '../../../src/core/migrate/index.ts'
import { waitUntil } from '../../support/wait-until.ts'
import { type Fixture, createFixture, file } from './fixture.ts'

let fixture: Fixture
beforeEach(async () => {
  fixture = await createFixture()
  await fixture.rows('create table t (n int); insert into t values (1), (1)')
})
afterEach(() => fixture.remove())

const alone = { transaction: false }
const up = (input: Parameters<typeof migrateUp>[1] = {}) =>
  migrateUp(fixture.context, { migrationsFolder: fixture.folder, ...input })
const ledger = () =>
  fixture.rows(
    'select version, state, cardinality(statements_done) as done from kiln_migrations order by 1',
  )
const indexes = () =>
  fixture.rows(
    `select c.relname as name, i.indisvalid as valid from pg_index i
     join pg_class c on c.oid = i.indexrelid where i.indrelid = 't'::regclass order by 1`,
  )

test('runs statements that refuse a transaction, and ordinary ones between them', async () => {
  await fixture.write({
    '0001_index.sql': file(
      `create index concurrently t_n on t (n);
       insert into t values (2);
       vacuum t;
       do $$ begin insert into t values (3); commit; end $$;`,
      undefined,
      alone,
    ),
  })
  expect(await up()).toHaveLength(1)
  expect(await indexes()).toEqual([{ name: 't_n', valid: true }])
  expect(await ledger()).toEqual([{ version: '0001', state: 'applied', done: 0 }])
  expect(await fixture.rows('select count(*)::int as n from t')).toEqual([{ n: 4 }])
})

test('drops the invalid index of a failed build, says so, and leaves nothing', async () => {
  await fixture.write({
    '0001_unique.sql': file(
      'create unique index concurrently "T n" on public.t (n);',
      undefined,
      alone,
    ),
  })
  const events: MigrationProgress[] = []
  await expect(up({ onProgress: (event) => events.push(event) })).rejects.toMatchObject({
    code: 'MIGRATION_FAILED',
    message: expect.stringMatching(/0001_unique\.sql:2:1: .*nothing of this migration was kept/),
  })
  expect(events).toContainEqual({
    kind: 'invalid_index_dropped',
    version: '0001',
    index: 'public."T n"',
  })
  expect(await indexes()).toEqual([])
  expect(await ledger()).toEqual([])
})

test('goes on after the statements that have run, also when the file was mended behind them', async () => {
  await fixture.write({
    '0001_two.sql': file(
      'insert into t values (7);\ninsert into missing values (1);',
      undefined,
      alone,
    ),
  })
  await expect(up()).rejects.toThrow(/the statement before it stay/)
  expect(await ledger()).toEqual([{ version: '0001', state: 'applying', done: 1 }])
  await fixture.write({
    '0001_two.sql': file('insert into t values (7);\ninsert into t values (8);', undefined, alone),
  })
  expect(await up()).toHaveLength(1)
  expect(await fixture.rows('select n from t where n > 6 order by n')).toEqual([{ n: 7 }, { n: 8 }])
  expect(await up()).toEqual([])
})

test('refuses to go on when a statement that has run was edited', async () => {
  await fixture.write({
    '0001_two.sql': file('insert into t values (7);\nselect missing;', undefined, alone),
  })
  await expect(up()).rejects.toThrow()
  await fixture.write({ '0001_two.sql': file('insert into t values (9);', undefined, alone) })
  await expect(up()).rejects.toMatchObject({ code: 'MIGRATION_UNFINISHED', exitCode: 1 })
})

/** The ledger as a process leaves it that dies inside the index build. */
async function dieInBuild(): Promise<void> {
  await fixture.write({
    '0001_index.sql': file(
      'insert into t values (5);\ncreate unique index concurrently t_n on t (n);',
      undefined,
      alone,
    ),
  })
  await fixture.rows('delete from t where ctid = (select min(ctid) from t where n = 1)')
  // The build ends by waiting for transactions that may still need the table without the index.
  const blocker = await fixture.connect()
  await blocker.query('begin isolation level repeatable read; select * from t')
  const running = up()
  running.catch(() => undefined)
  const building = `select pg_terminate_backend(pid) from pg_stat_activity
    where query like 'create unique index concurrently%' and wait_event_type = 'Lock'`
  await waitUntil('the build waits', async () => (await fixture.rows(building)).length > 0)
  await expect(running).rejects.toMatchObject({ code: 'DATABASE_CONNECTION_FAILED' })
  await blocker.query('rollback')
}

test('repeats an index build that died, dropping what it left', async () => {
  await dieInBuild()
  expect(
    await fixture.rows('select statement_running is not null as r from kiln_migrations'),
  ).toEqual([{ r: true }])
  expect(await indexes()).toEqual([{ name: 't_n', valid: false }])
  const events: MigrationProgress[] = []
  expect(await up({ onProgress: (event) => events.push(event) })).toHaveLength(1)
  expect(events).toContainEqual(expect.objectContaining({ kind: 'invalid_index_dropped' }))
  expect(await indexes()).toEqual([{ name: 't_n', valid: true }])
  expect(await fixture.rows('select count(*)::int as n from t where n = 5')).toEqual([{ n: 1 }])
})

test('takes an index for done that was finished when the process died', async () => {
  await dieInBuild()
  await fixture.rows('drop index t_n')
  await fixture.rows('create unique index t_n on t (n)')
  expect(await up()).toHaveLength(1)
  expect(await indexes()).toEqual([{ name: 't_n', valid: true }])
})

test('an index build waits for old transactions longer than other statements wait for locks', async () => {
  await fixture.write({
    '0001_index.sql': file('create index concurrently t_n on t (n);', undefined, alone),
  })
  const reader = await fixture.connect()
  await reader.query('begin isolation level repeatable read; select * from t')
  const running = up({ lockPolicy: { waitMs: 100, tries: 1 } })
  const waits = `select from pg_stat_activity
    where query like 'create index concurrently%' and state = 'active'
      and query_start < now() - interval '300 ms'`
  await waitUntil('it waits on', async () => (await fixture.rows(waits)).length > 0)
  await reader.query('rollback')
  expect(await running).toHaveLength(1)
})

test('builds an index while a second run waits for the lock', async () => {
  await fixture.write({
    '0001_index.sql': file('create index concurrently t_n on t (n);', undefined, alone),
  })
  const holder = await fixture.connect()
  await acquireSchemaLock(holder, { timeoutMs: 0 })
  const running = [up(), up()]
  // The build waits for snapshots older than itself: one of the loser would be such.
  await waitUntil('both wait', async () => {
    const waiting = await fixture.rows(
      `select from pg_stat_activity
       where application_name = 'kiln migrate' and query like '%advisory%'`,
    )
    return waiting.length === 2
  })
  await releaseSchemaLock(holder)
  expect((await Promise.all(running)).flat()).toHaveLength(1)
})

test('reverts without a transaction, and goes on where it stopped', async () => {
  const upPart = 'create index concurrently t_n on t (n);'
  await fixture.write({
    '0001_index.sql': [
      file(upPart, undefined, alone),
      '-- migrate:down transaction:false\ndrop index concurrently t_n;\ninsert into later values (1);\n',
    ].join('\n'),
  })
  await up()
  const down = () => migrateDown(fixture.context, { migrationsFolder: fixture.folder })
  await expect(down()).rejects.toMatchObject({ code: 'MIGRATION_FAILED' })
  expect(await ledger()).toEqual([{ version: '0001', state: 'reverting', done: 1 }])
  await expect(up()).rejects.toMatchObject({ code: 'MIGRATION_UNFINISHED' })
  await fixture.rows('create table later (n int)')
  expect(await down()).toHaveLength(1)
  expect(await ledger()).toEqual([])
  expect(await indexes()).toEqual([])
})
