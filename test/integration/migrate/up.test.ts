import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { isKilnError } from '../../../src/core/errors/index.ts'
import { migrateUp } from '../../../src/core/migrate/index.ts'
import { type Fixture, createFixture, file } from './fixture.ts'

let fixture: Fixture
beforeEach(async () => {
  fixture = await createFixture()
})
afterEach(() => fixture.remove())

const up = (input: Parameters<typeof migrateUp>[1] = {}) =>
  migrateUp(fixture.context, { migrationsFolder: fixture.folder, ...input })
const versions = async () =>
  (await fixture.rows('select version from kiln_migrations order by version')).map((r) => r.version)
const tables = async () =>
  (
    await fixture.rows(
      `select relname from pg_class where relkind = 'r' and relnamespace = 'public'::regnamespace order by 1`,
    )
  ).map((row) => row.relname)

describe('applying', () => {
  test('runs what is pending, in the order of the numbers, and nothing the second time', async () => {
    await fixture.write({
      '0010_second.sql': file('insert into seen values (10);'),
      '0002_first.sql': file('create table seen (n int);'),
    })
    expect((await up()).map(({ version }) => version)).toEqual(['0002', '0010'])
    expect(await up()).toEqual([])
    expect(await fixture.rows('select n from seen')).toEqual([{ n: 10 }])
  })

  test('records name, checksum, time and program in the ledger', async () => {
    await fixture.write({ '0001_one.sql': file('create table one ();') })
    await up()
    const [row] = await fixture.rows('select * from kiln_migrations')
    expect(row).toMatchObject({ version: '0001', name: 'one', state: 'applied' })
    expect(row?.checksum).toMatch(/^[0-9a-f]{64}$/)
    expect(row?.applied_at).toBeInstanceOf(Date)
    expect(row?.program_version).toMatch(/^\d+\.\d+\.\d+/)
  })

  test('stops at the version asked for', async () => {
    await fixture.write({
      '0001_a.sql': file('create table a ();'),
      '0002_b.sql': file('create table b ();'),
    })
    await up({ to: '1' })
    expect(await versions()).toEqual(['0001'])
    await expect(up({ to: '0009' })).rejects.toMatchObject({ code: 'MIGRATION_NOT_FOUND' })
  })

  test('applies once when two run at the same time, and both succeed', async () => {
    await fixture.write({
      '0001_slow.sql': file('create table slow (n int); select pg_sleep(0.3);'),
      '0002_more.sql': file('insert into slow values (1);'),
    })
    const results = await Promise.all([up(), up(), up()])
    expect(results.map((applied) => applied.length).toSorted((a, b) => a - b)).toEqual([0, 0, 2])
    expect(await fixture.rows('select n from slow')).toEqual([{ n: 1 }])
  })

  test('does not let settings of one migration reach the next', async () => {
    await fixture.write({
      '0001_set.sql': file(`set search_path = pg_catalog; set statement_timeout = '1ms';`),
      '0002_use.sql': file('create table here (); select pg_sleep(0.05);'),
    })
    await up()
    expect(await tables()).toContain('here')
  })

  test('writes an audit row once there is an audit log', async () => {
    await fixture.remove()
    fixture = await createFixture()
    await migrateUp(fixture.context)
    const rows = await fixture.rows('select action, target_id, actor from analysis_audit_log')
    expect(rows.at(-1)).toEqual({
      action: 'migration.apply',
      target_id: expect.stringMatching(/^\d{4}$/),
      actor: 'tester',
    })
  })
})

describe('a failing migration', () => {
  test('leaves nothing behind and names file, line, column and what Postgres says', async () => {
    await fixture.write({
      '0001_ok.sql': file('create table ok ();'),
      '0002_bad.sql': file(
        "create table half ();\n-- né 🎉\nselect 'é🎉' || x,\n  missing_column\n  from ok;",
      ),
    })
    const error = await up().catch((e: unknown) => e)
    expect(error).toMatchObject({ code: 'MIGRATION_FAILED', exitCode: 1 })
    if (!isKilnError(error)) throw error
    expect(error.message).toContain('0002_bad.sql:4:16: column "x" does not exist')
    expect(await tables()).toEqual(['kiln_migrations', 'ok'])
    expect(await versions()).toEqual(['0001'])
  })

  test('shows the hint and the detail of the server', async () => {
    await fixture.write({
      '0001_t.sql': file('create table t (amount int);'),
      '0002_typo.sql': file('select amuont from t;'),
    })
    await expect(up()).rejects.toMatchObject({
      hint: expect.stringContaining('Perhaps you meant to reference the column "t.amount"'),
    })
    await fixture.write({ '0002_typo.sql': file('insert into u values (1), (1);') })
    await fixture.write({ '0001_t.sql': file('create table t (amount int);') })
    await fixture.write({
      '0002_typo.sql': file('create table u (n int unique);\n  insert into u values (1), (1);'),
    })
    await expect(up()).rejects.toMatchObject({
      message: expect.stringMatching(/^0002_typo\.sql:3:3: .*Key \(n\)=\(1\) already exists/),
    })
  })

  test('rolls back when a deferred constraint fails at the commit', async () => {
    await fixture.write({
      '0001_deferred.sql': file(`create table p (id int primary key);
        create table c (id int references p deferrable initially deferred);
        insert into c values (1);`),
    })
    await expect(up()).rejects.toThrow(/foreign key/)
    expect(await tables()).toEqual(['kiln_migrations'])
  })

  test('points to baseline when the tables are there already', async () => {
    await fixture.rows('create table made ()')
    await fixture.write({ '0001_made.sql': file('create table made ();') })
    await expect(up()).rejects.toMatchObject({ hint: expect.stringContaining('baseline') })
  })
})

describe('refusing', () => {
  const two = {
    '0001_a.sql': file('create table a ();'),
    '0003_c.sql': file('create table c ();'),
  }

  test('an applied file that was edited, naming it and how to mend it', async () => {
    await fixture.write(two)
    await up()
    await fixture.write({ '0001_a.sql': file('create table a (n int);') })
    await expect(up()).rejects.toMatchObject({
      code: 'MIGRATION_DRIFT',
      exitCode: 1,
      message: expect.stringContaining('0001_a.sql'),
      hint: expect.stringContaining('--accept-checksum 0001'),
    })
  })

  test('not a file whose line ends or byte order mark changed', async () => {
    await fixture.write(two)
    await up()
    await fixture.write({ '0001_a.sql': `\uFEFF${two['0001_a.sql'].replaceAll('\n', '\r\n')}` })
    expect(await up()).toEqual([])
  })

  test('an applied file that is gone', async () => {
    await fixture.write(two)
    await up()
    await fixture.write({ '0001_a.sql': null })
    await expect(up()).rejects.toMatchObject({ code: 'MIGRATION_DRIFT' })
  })

  test('a version below an applied one, unless it is allowed', async () => {
    await fixture.write(two)
    await up()
    await fixture.write({ '0002_b.sql': file('create table b ();') })
    await expect(up()).rejects.toMatchObject({
      code: 'MIGRATION_OUT_OF_ORDER',
      message: expect.stringContaining('0002_b would run after 0003_c'),
    })
    expect((await up({ allowOutOfOrder: true })).map(({ version }) => version)).toEqual(['0002'])
  })

  test('a schema that is newer than the program', async () => {
    await fixture.write(two)
    await up()
    await fixture.write({ '0003_c.sql': null })
    await expect(up()).rejects.toMatchObject({ code: 'SCHEMA_NEWER', exitCode: 78 })
  })

  test.each([
    [{ '0001_a.sql': 'x', '00001_b.sql': 'y' }, 'is also that of'],
    [{ 'first.sql': 'x' }, 'first.sql: the name is not like'],
    [{ '0001_a.sql': '' }, '0001_a.sql:1: the file is empty'],
  ])('the folder %j', async (files, message) => {
    await fixture.write(files)
    await expect(up()).rejects.toMatchObject({
      code: 'MIGRATION_INVALID',
      exitCode: 65,
      message: expect.stringContaining(message),
    })
  })

  test('a folder that does not exist; other files in it do not matter', async () => {
    await expect(up({ migrationsFolder: `${fixture.folder}/none` })).rejects.toMatchObject({
      code: 'FILE_NOT_FOUND',
    })
    await fixture.write({ 'README.md': 'notes' })
    expect(await up()).toEqual([])
  })

  test('bad files, before the database is touched', async () => {
    await fixture.write({
      '0001_a.sql': file('create table a ();'),
      '0002_bad.sql': 'select 1;',
    })
    await expect(up()).rejects.toMatchObject({ code: 'MIGRATION_INVALID' })
    expect(await tables()).toEqual([])
  })
})
