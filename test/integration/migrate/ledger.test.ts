import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import {
  baselineMigrations,
  migrateDown,
  migrateUp,
  migrationStatus,
  planMigrations,
  repairMigrations,
} from '../../../src/core/migrate/index.ts'
import { type Fixture, createFixture, file } from './fixture.ts'

let fixture: Fixture
let migrationsFolder: string
beforeEach(async () => {
  fixture = await createFixture()
  migrationsFolder = fixture.folder
  await fixture.write({
    '0001_a.sql': file('create table a ();', 'drop table a;'),
    '0002_b.sql': file('create table b ();', 'drop table b;'),
    '0003_c.sql': file('create table c ();', 'drop table c;'),
  })
})
afterEach(() => fixture.remove())

const up = () => migrateUp(fixture.context, { migrationsFolder })
const states = async () =>
  (await migrationStatus(fixture.context, { migrationsFolder })).migrations.map(
    ({ version, state }) => `${version} ${state}`,
  )
const tables = async () =>
  (
    await fixture.rows(`select relname from pg_class where relname in ('a', 'b', 'c') order by 1`)
  ).map((row) => row.relname)

describe('status', () => {
  test('tells pending, applied, drifted, missing and newer apart, and writes nothing', async () => {
    expect(await states()).toEqual(['0001 pending', '0002 pending', '0003 pending'])
    expect(await fixture.rows(`select to_regclass('kiln_migrations') as t`)).toEqual([{ t: null }])
    await up()
    await fixture.write({
      '0001_a.sql': null,
      '0002_b.sql': file('create table b (n int);'),
      '0003_c.sql': null,
    })
    expect(await states()).toEqual(['0001 missing_file', '0002 drifted', '0003 newer'])
    const report = await migrationStatus(fixture.context, { migrationsFolder })
    expect(report.error).toMatchObject({ code: 'SCHEMA_NEWER' })
  })
})

describe('plan', () => {
  test('prints a script that does what migrate would, ledger included', async () => {
    await fixture.write({
      '0004_open.sql': file('insert into a default values -- no semicolon at the end'),
      '0005_alone.sql': file('create index concurrently a_i on a ((1));', undefined, {
        transaction: false,
      }),
    })
    const plan = await planMigrations(fixture.context, { migrationsFolder })
    expect(plan.map(({ version }) => version)).toEqual(['0001', '0002', '0003', '0004', '0005'])
    expect(await tables()).toEqual([])
    const client = await fixture.connect()
    for (const { sql, isTransactional } of plan) {
      if (isTransactional) await client.query(sql)
      // Several statements at once are a transaction for the server, which psql avoids.
      else for (const statement of sql.split(/;\n/)) await client.query(statement)
    }
    expect(await states()).toEqual([1, 2, 3, 4, 5].map((n) => `000${n} applied`))
    expect(await up()).toEqual([])
  })

  test('refuses what migrate would refuse', async () => {
    await up()
    await fixture.write({ '0002_b.sql': file('create table b (n int);') })
    await expect(planMigrations(fixture.context, { migrationsFolder })).rejects.toMatchObject({
      code: 'MIGRATION_DRIFT',
    })
  })
})

describe('down', () => {
  const down = (input: Parameters<typeof migrateDown>[1] = {}) =>
    migrateDown(fixture.context, { migrationsFolder, ...input })

  test('reverts the newest, one by default', async () => {
    await up()
    expect((await down()).map(({ version }) => version)).toEqual(['0003'])
    expect(await tables()).toEqual(['a', 'b'])
    expect((await down({ steps: 2 })).map(({ version }) => version)).toEqual(['0002', '0001'])
    expect(await down()).toEqual([])
  })

  test('reverts to a version, which stays', async () => {
    await up()
    await down({ to: '1' })
    expect(await tables()).toEqual(['a'])
    await expect(down({ to: '7' })).rejects.toMatchObject({ code: 'MIGRATION_NOT_FOUND' })
    await down({ to: '0' })
    expect(await tables()).toEqual([])
  })

  test('touches nothing if one of them has no way back', async () => {
    await fixture.write({ '0002_b.sql': file('create table b ();', '-- nothing here') })
    await up()
    await expect(down({ steps: 3 })).rejects.toMatchObject({
      code: 'MIGRATION_IRREVERSIBLE',
      message: expect.stringContaining('0002_b'),
    })
    expect(await tables()).toEqual(['a', 'b', 'c'])
  })

  test('keeps the migration whole when its down part fails', async () => {
    await fixture.write({
      '0003_c.sql': file('create table c ();', 'drop table c; drop table missing;'),
    })
    await up()
    await expect(down()).rejects.toMatchObject({
      code: 'MIGRATION_FAILED',
      message: expect.stringContaining('still applied'),
    })
    expect(await tables()).toEqual(['a', 'b', 'c'])
    expect(await states()).toContain('0003 applied')
  })

  test('refuses a file that is not what was applied', async () => {
    await up()
    await fixture.write({ '0003_c.sql': file('create table c ();', 'drop table a;') })
    await expect(down()).rejects.toMatchObject({ code: 'MIGRATION_DRIFT' })
  })

  test('reverts every migration of Kiln, and applies them again', async () => {
    await migrateUp(fixture.context)
    await migrateDown(fixture.context, { to: '0' })
    const left = `select relname from pg_class
      where relnamespace = 'public'::regnamespace and relkind in ('r', 'S', 'v')
      union all select proname from pg_proc where pronamespace = 'public'::regnamespace`
    expect(await fixture.rows(left)).toEqual([{ relname: 'kiln_migrations' }])
    expect((await migrateUp(fixture.context)).length).toBeGreaterThan(0)
  })
})

describe('baseline', () => {
  const baseline = (version: string) =>
    baselineMigrations(fixture.context, { migrationsFolder, version })

  test('records versions without running them', async () => {
    expect(await baseline('2')).toEqual(['0001', '0002'])
    expect(await tables()).toEqual([])
    expect(await states()).toEqual(['0001 applied', '0002 applied', '0003 pending'])
    expect((await up()).map(({ version }) => version)).toEqual(['0003'])
  })

  test('is refused when migrations are recorded, and for an unknown version', async () => {
    await expect(baseline('9')).rejects.toMatchObject({ code: 'MIGRATION_NOT_FOUND' })
    await up()
    await expect(baseline('2')).rejects.toMatchObject({ code: 'MIGRATION_BASELINE_REFUSED' })
  })
})

describe('repair', () => {
  const repair = (version: string, what: 'accept-checksum' | 'applied' | 'reverted') =>
    repairMigrations(fixture.context, { migrationsFolder, version, repair: what, reason: 'why' })

  test('accepts an edited file', async () => {
    await up()
    await fixture.write({ '0002_b.sql': file('-- comment\ncreate table b ();') })
    await repair('0002', 'accept-checksum')
    expect(await states()).toEqual(['0001 applied', '0002 applied', '0003 applied'])
  })

  test('marks as reverted and as applied', async () => {
    await up()
    await repair('3', 'reverted')
    expect(await states()).toContain('0003 pending')
    await repair('0003', 'applied')
    expect(await states()).toContain('0003 applied')
    expect(await tables()).toEqual(['a', 'b', 'c'])
  })

  test('forgets a version whose file is gone', async () => {
    await up()
    await fixture.write({ '0002_b.sql': null })
    await repair('0002', 'reverted')
    expect(await states()).toEqual(['0001 applied', '0003 applied'])
  })

  test('does not know other versions', async () => {
    await expect(repair('0001', 'reverted')).rejects.toMatchObject({ code: 'MIGRATION_NOT_FOUND' })
    await expect(repair('x', 'applied')).rejects.toMatchObject({ code: 'MIGRATION_NOT_FOUND' })
  })

  test('is written to the audit log with its reason', async () => {
    await migrateUp(fixture.context)
    const { isAudited } = await repairMigrations(fixture.context, {
      version: '0005',
      repair: 'applied',
      reason: 'made by hand',
    })
    expect(isAudited).toBe(true)
    const rows = await fixture.rows(
      `select target_id, details ->> 'reason' as reason from analysis_audit_log
       where action = 'migration.repair'`,
    )
    expect(rows).toEqual([{ target_id: '0005', reason: 'made by hand' }])
    expect((await repair('0001', 'applied')).isAudited).toBe(true)
  })

  test('says when there is no audit log to write to', async () => {
    await up()
    expect((await repair('0001', 'applied')).isAudited).toBe(false)
  })
})
