import { readFile } from 'node:fs/promises'
import path from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { acquireSchemaLock } from '../../src/core/migrate/index.ts'
import { type Fixture, createFixture, file } from '../integration/migrate/fixture.ts'
import { runKiln } from '../support/kiln.ts'

let fixture: Fixture
beforeEach(async () => {
  fixture = await createFixture()
  await fixture.write({
    '0001_a.sql': file('create table a ();', 'drop table a;'),
    '0002_b.sql': file('create table b ();'),
  })
})
afterEach(() => fixture.remove())

const env = () => ({ env: { DATABASE_URL: fixture.database.connectionString } })
/** A subcommand with the test's own migrations. */
const migrate = (...words: string[]) =>
  runKiln(['migrate', ...words, '--migrations', fixture.folder], env())
const json = (text: string): unknown => JSON.parse(text)

describe('kiln migrate', () => {
  test('applies, then has nothing to do; up is the same', async () => {
    const first = await migrate('--json')
    expect(first).toMatchObject({ exitCode: 0, stderr: '' })
    expect(json(first.stdout)).toEqual({
      items: [
        { version: '0001', name: 'a', execution_time_ms: expect.any(Number) },
        { version: '0002', name: 'b', execution_time_ms: expect.any(Number) },
      ],
      next_cursor: null,
    })
    expect(await migrate('up')).toMatchObject({
      exitCode: 0,
      stdout: '',
      stderr: 'nothing to do: the schema is up to date\n',
    })
    expect(await migrate('up', '-q')).toMatchObject({ exitCode: 0, stdout: '', stderr: '' })
  })

  test('prints a table', async () => {
    const { stdout } = await migrate()
    expect(stdout).toMatch(/^VERSION +NAME +TOOK\n0001 +a +\d+ ms\n0002 +b +\d+ ms\n$/)
  })

  test('applies the migrations of Kiln itself', async () => {
    expect(await runKiln(['migrate', '-q'], env())).toMatchObject({ exitCode: 0, stderr: '' })
    expect(await runKiln(['migrate', 'status', '--check', '-q'], env())).toMatchObject({
      exitCode: 0,
    })
    expect(await runKiln(['migrate', 'verify'], env())).toMatchObject({
      exitCode: 0,
      stdout: '',
      stderr: 'no differences\n',
    })
  })

  test('a failing statement exits 1 with file, line and column, in two lines', async () => {
    await fixture.write({
      '0002_b.sql': file('create table b ();\ninsert into nowhere values (1);'),
    })
    const { exitCode, stderr, stdout } = await migrate()
    expect({ exitCode, stdout }).toEqual({ exitCode: 1, stdout: '' })
    expect(stderr).toBe(
      'error: 0002_b.sql:3:13: relation "nowhere" does not exist; nothing of this migration was kept [MIGRATION_FAILED]\n' +
        'hint: correct the file, then run: kiln migrate\n',
    )
    const asJson = await migrate('--json')
    expect(asJson.exitCode).toBe(1)
    expect(json(asJson.stderr)).toMatchObject({
      error: {
        code: 'MIGRATION_FAILED',
        exit_code: 1,
        details: { location: '0002_b.sql:3:13', sqlstate: '42P01' },
      },
    })
  })

  test('a held lock exits 75 and names the holder', async () => {
    const holder = await fixture.connect('weekly restore')
    await acquireSchemaLock(holder, { timeoutMs: 0 })
    const { exitCode, stderr } = await migrate('up', '--lock-timeout', '100ms')
    expect(exitCode).toBe(75)
    expect(stderr).toMatch(
      /held by pid \d+ \(weekly restore, local socket, since .*\[LOCK_TIMEOUT\]/,
    )
  })

  test('a bad file exits 65, a bad flag 64, an unknown version 66', async () => {
    expect(await migrate('up', '--to', '0009')).toMatchObject({ exitCode: 66 })
    expect(await migrate('up', '--lock-timeout', 'soon')).toMatchObject({ exitCode: 64 })
    await fixture.write({ '0003_bad.sql': 'select 1;' })
    expect(await migrate()).toMatchObject({
      exitCode: 65,
      stderr: expect.stringContaining('0003_bad.sql:1: there is no line "-- migrate:up"'),
    })
  })

  test('a newer schema exits 78, for the other commands too', async () => {
    await migrate()
    await fixture.write({ '0002_b.sql': null })
    for (const words of [['up'], ['status'], ['verify'], ['plan'], ['down', '--yes']]) {
      expect(await migrate(...words)).toMatchObject({
        exitCode: 78,
        stderr: expect.stringContaining('SCHEMA_NEWER'),
      })
    }
  })
})

describe('every other command', () => {
  test('refuses a schema that is missing, old or newer, with 78 and what to do', async () => {
    const list = () => runKiln(['job', 'list'], env())
    expect(await list()).toMatchObject({
      exitCode: 78,
      stderr: expect.stringMatching(
        /has not been migrated \[SCHEMA_MISSING\]\nhint: run: kiln migrate/,
      ),
    })
    await runKiln(['migrate', '--to', '2'], env())
    expect(await list()).toMatchObject({
      exitCode: 78,
      stderr: expect.stringContaining('SCHEMA_OUTDATED'),
    })
    await runKiln(['migrate'], env())
    expect(await list()).toMatchObject({ exitCode: 0 })
    await fixture.rows(
      `insert into kiln_migrations (version, name, checksum) values ('9999', 'future', '')`,
    )
    expect(await list()).toMatchObject({
      exitCode: 78,
      stderr: expect.stringContaining('SCHEMA_NEWER'),
    })
  })
})

describe('kiln migrate status', () => {
  test('lists the states; --check exits 1 while something is pending', async () => {
    await migrate('up', '--to', '1')
    const { exitCode, stdout } = await migrate('status')
    expect(exitCode).toBe(0)
    expect(stdout).toMatch(
      /^VERSION +NAME +STATE +APPLIED\n0001 +a +applied .*ago\n0002 +b +pending\n$/,
    )
    expect(await migrate('status', '--check', '-q')).toMatchObject({ exitCode: 1, stderr: '' })
    expect(json((await migrate('status', '--json')).stdout)).toMatchObject({
      items: [
        { version: '0001', state: 'applied', applied_at: expect.stringMatching(/^\d{4}-.*Z$/) },
        { version: '0002', state: 'pending', applied_at: null },
      ],
    })
    await migrate()
    expect(await migrate('status', '--check')).toMatchObject({ exitCode: 0, stderr: '' })
  })

  test('drift exits 1, with the table and with how to mend it', async () => {
    await migrate()
    await fixture.write({ '0001_a.sql': file('create table a (n int);') })
    const { exitCode, stdout, stderr } = await migrate('status', '--check')
    expect(exitCode).toBe(1)
    expect(stdout).toMatch(/0001 +a +drifted/)
    expect(stderr).toMatch(
      /0001_a\.sql was changed .*\[MIGRATION_DRIFT\]\nhint: .*--accept-checksum/,
    )
    expect(await migrate('verify')).toMatchObject({
      exitCode: 1,
      stderr: expect.stringContaining('DRIFT'),
    })
  })
})

describe('a migration that was created and not written yet', () => {
  test('is told by status, which does not fail; up refuses it', async () => {
    await migrate()
    await migrate('create', 'later')
    const status = await migrate('status', '--check', '--json')
    expect(status).toMatchObject({
      exitCode: 0,
      stderr: '0003_later.sql holds no statement yet, which kiln migrate refuses\n',
    })
    expect(json(status.stdout)).toMatchObject({
      items: [{ state: 'applied' }, { state: 'applied' }, { version: '0003', state: 'empty' }],
    })
    const up = await migrate('up')
    expect(up).toMatchObject({ exitCode: 65, stdout: '' })
    expect(up.stderr).toContain('0003_later.sql:3: the up part holds no statement')
  })

  test('does not hide what is pending, nor an applied file that was emptied', async () => {
    await migrate('create', 'later')
    expect(await migrate('status', '--check', '-q')).toMatchObject({ exitCode: 1, stderr: '' })
    await fixture.write({ '0003_later.sql': null })
    await migrate()
    await fixture.write({ '0002_b.sql': '-- migrate:up\n' })
    const drifted = await migrate('status')
    expect(drifted).toMatchObject({ exitCode: 1 })
    expect(drifted.stderr).toContain('[MIGRATION_DRIFT]')
  })
})

describe('kiln migrate plan', () => {
  test('prints SQL and writes nothing', async () => {
    const { exitCode, stdout, stderr } = await migrate('plan', '--to', '0001')
    expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: '' })
    expect(stdout).toMatch(/^-- 0001_a\.sql\ncreate table if not exists public\.kiln_migrations/)
    expect(stdout).toMatch(/begin;\ncreate table a \(\);\ninsert into .*\nvalues .*\ncommit;\n$/)
    expect(await fixture.rows(`select to_regclass('kiln_migrations') as t`)).toEqual([{ t: null }])
    expect(json((await migrate('plan', '--json')).stdout)).toMatchObject({
      items: [{ version: '0001', is_transactional: true }, { version: '0002' }],
    })
  })
})

describe('kiln migrate down', () => {
  test('wants --yes, then reverts', async () => {
    await migrate('up', '--to', '1')
    expect(await migrate('down')).toMatchObject({
      exitCode: 64,
      stderr: expect.stringContaining('CONFIRMATION_MISSING'),
    })
    expect(await migrate('down', '--yes', '-o', 'name')).toMatchObject({
      exitCode: 0,
      stdout: '0001\n',
    })
    expect(await migrate('down', '--yes')).toMatchObject({
      exitCode: 0,
      stderr: 'nothing to revert\n',
    })
  })

  test('refuses a migration without a way back', async () => {
    await migrate()
    expect(await migrate('down', '--steps', '2', '--yes')).toMatchObject({
      exitCode: 65,
      stderr: expect.stringContaining('0002_b has no down part; nothing was reverted'),
    })
  })
})

describe('kiln migrate create', () => {
  test('writes the next file and prints its path, without a database', async () => {
    const { exitCode, stdout } = await runKiln(
      ['migrate', 'create', 'Add job labels!', '--no-transaction', '--migrations', fixture.folder],
      { env: { DATABASE_URL: 'postgresql://nobody@127.0.0.1:1/none' } },
    )
    const created = path.join(fixture.folder, '0003_add_job_labels.sql')
    expect({ exitCode, stdout }).toEqual({ exitCode: 0, stdout: `${created}\n` })
    expect(await readFile(created, 'utf8')).toContain('-- migrate:up transaction:false\n')
    expect(await migrate('create', '???')).toMatchObject({ exitCode: 64 })
    expect(await migrate('create')).toMatchObject({ exitCode: 64 })
  })
})

describe('kiln migrate baseline and repair', () => {
  test('baseline records without running, once', async () => {
    expect(await migrate('baseline', '1', '-o', 'name')).toMatchObject({
      exitCode: 0,
      stdout: '0001\n',
    })
    expect(await migrate('baseline', '1')).toMatchObject({ exitCode: 65 })
    expect(await migrate('baseline', '9')).toMatchObject({ exitCode: 66 })
  })

  test('repair wants a reason and one version', async () => {
    await migrate()
    for (const words of [
      ['--accept-checksum', '1'],
      ['--mark', 'applied', '--reason', 'x'],
      ['--accept-checksum', '1', '2', '--reason', 'x'],
      ['--reason', 'x'],
    ]) {
      expect(await migrate('repair', ...words)).toMatchObject({ exitCode: 64 })
    }
    expect(await migrate('repair', '--mark', 'reverted', '7', '--reason', 'x')).toMatchObject({
      exitCode: 66,
    })
  })

  test('repair accepts an edited file', async () => {
    await migrate()
    await fixture.write({ '0001_a.sql': file('create table a ( );') })
    expect(await migrate('status', '--check')).toMatchObject({ exitCode: 1 })
    const repaired = await migrate(
      'repair',
      '--accept-checksum',
      '1',
      '--reason',
      'blanks',
      '--json',
    )
    expect(repaired.exitCode).toBe(0)
    expect(json(repaired.stdout)).toEqual({
      version: '0001',
      name: 'a',
      repair: 'accept-checksum',
      is_audited: false,
    })
    expect(repaired.stderr).toContain('no audit log')
    expect(await migrate('status', '--check')).toMatchObject({ exitCode: 0 })
  })
})
