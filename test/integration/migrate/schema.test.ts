import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { openDatabase } from '../../../src/core/database/index.ts'
import { checkSchema, migrateUp, verifyMigrations } from '../../../src/core/migrate/index.ts'
import { type Fixture, createFixture } from './fixture.ts'

let fixture: Fixture
beforeEach(async () => {
  fixture = await createFixture({ migrated: true })
})
afterEach(() => fixture.remove())

const findings = async () =>
  (await verifyMigrations(fixture.context)).findings.map(({ kind, object }) => `${kind} ${object}`)

describe('verify', () => {
  test('finds nothing in a migrated database, whatever operators have added', async () => {
    await fixture.rows(`create index mine on analysis_jobs (status);
      create table mine_too (); alter table projects add column note text`)
    expect(await verifyMigrations(fixture.context)).toEqual({
      findings: [],
      isSchemaCompared: true,
      error: undefined,
    })
  })

  test('names what is missing, invalid, disabled or different', async () => {
    await fixture.rows(`
      alter table analysis_jobs drop column progress_message;
      alter table analyses alter column created_by set not null;
      drop index kiln_analysis_jobs_waiting;
      alter table analysis_jobs disable trigger kiln_analysis_jobs_2_change;
      alter table analysis_schedules drop constraint analysis_schedules_jitter_ms_check;
      drop trigger kiln_analyses_2_name on analyses;
      create or replace function kiln_name_analysis() returns trigger language plpgsql
        as 'begin return new; end';
      drop table analysis_metadata`)
    expect(await findings()).toEqual([
      'different column analyses.created_by',
      'missing column analysis_jobs.progress_message',
      'missing constraint analysis_schedules.analysis_schedules_jitter_ms_check',
      'different function kiln_name_analysis',
      'missing index analysis_jobs.kiln_analysis_jobs_waiting',
      'missing table analysis_metadata',
      'missing trigger analyses.kiln_analyses_2_name',
      'different trigger analysis_jobs.kiln_analysis_jobs_2_change',
    ])
  })

  test('tells drift and pending migrations from files and ledger', async () => {
    await fixture.rows(`update kiln_migrations set checksum = 'x' where version = '0003'`)
    const report = await verifyMigrations(fixture.context)
    expect(report.findings).toMatchObject([{ kind: 'drifted', object: '0003_schedules' }])
    expect(report.error).toMatchObject({
      code: 'MIGRATION_DRIFT',
      message: expect.stringContaining('0003_schedules.sql'),
    })
    await fixture.rows(`delete from kiln_migrations where version = '0005'`)
    expect((await verifyMigrations(fixture.context)).isSchemaCompared).toBe(false)
  })
})

describe('the check of every command', () => {
  const check = async (folder?: string) => {
    const database = openDatabase({
      target: fixture.context.database.target,
      applicationName: 'test',
      poolSize: 1,
    })
    try {
      await checkSchema({ database }, folder)
    } finally {
      await database.close()
    }
  }

  test('passes on a migrated database', async () => {
    await check()
  })

  test('finds a database without migrations', async () => {
    await fixture.rows('drop table kiln_migrations')
    await expect(check()).rejects.toMatchObject({ code: 'SCHEMA_MISSING', exitCode: 78 })
  })

  test('finds one that lacks some, or has one half done', async () => {
    await fixture.rows(`update kiln_migrations set state = 'applying' where version = '0005'`)
    await expect(check()).rejects.toMatchObject({
      code: 'SCHEMA_OUTDATED',
      hint: 'run: kiln migrate',
      message: expect.stringContaining('0005'),
    })
  })

  test('finds one that is newer', async () => {
    await fixture.rows(
      `insert into kiln_migrations (version, name, checksum) values ('9999', 'future', '')`,
    )
    await expect(check()).rejects.toMatchObject({ code: 'SCHEMA_NEWER', exitCode: 78 })
  })
})

test('works in the schema that the search path names', async () => {
  await fixture.rows(`create schema "Odd ""one"; alter database ${fixture.database.name}
    set search_path = "Odd ""one"`)
  await migrateUp(fixture.context)
  expect(
    await fixture.rows(`select to_regclass('"Odd ""one".kiln_migrations') is not null as t`),
  ).toEqual([{ t: true }])
  expect(await findings()).toEqual([])
})
