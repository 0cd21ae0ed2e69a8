import { afterEach, beforeEach, expect, test } from 'vitest'
import { runKiln, startKiln } from '../../support/kiln.ts'
import { waitUntil } from '../../support/wait-until.ts'
import { type Fixture, createFixture, file } from '../../integration/migrate/fixture.ts'

let fixture: Fixture
beforeEach(async () => {
  fixture = await createFixture()
  await fixture.rows('create table gate (n int); insert into gate values (1)')
})
afterEach(() => fixture.remove())

const env = () => ({ env: { DATABASE_URL: fixture.database.connectionString } })
const args = () => ['migrate', '--migrations', fixture.folder]
/** Sleeps while the gate has a row, so that a second run passes. */
const gated = 'select pg_sleep(600) from gate'
const runs = (statement: string) => async () =>
  (
    await fixture.rows(
      `select from pg_stat_activity
       where application_name = 'kiln migrate' and query like '${statement}%' and state = 'active'`,
    )
  ).length > 0
const openGate = () => fixture.rows('delete from gate')

test('SIGKILL inside a transaction leaves nothing, and the next run applies it', async () => {
  await fixture.write({
    '0001_first.sql': file('create table first ();'),
    '0002_half.sql': file(`create table half ();\n${gated};\ncreate table other_half ();`),
  })
  const kiln = startKiln(args(), env())
  await waitUntil('it sleeps', runs(gated))
  kiln.kill('SIGKILL')
  await kiln.exited
  // The server looks after its client while it works, and ends the orphan.
  await waitUntil('the orphan is gone', async () => !(await runs(gated)()))
  expect(await fixture.rows('select version from kiln_migrations')).toEqual([{ version: '0001' }])
  expect(await fixture.rows(`select to_regclass('half') as t`)).toEqual([{ t: null }])
  await openGate()
  const again = await runKiln([...args(), '-o', 'name'], env())
  expect(again).toMatchObject({ exitCode: 0, stdout: '0002\n' })
})

test('SIGKILL inside an index build is repaired by the next run', async () => {
  await fixture.write({
    '0001_index.sql': file(
      'insert into gate values (2);\ncreate index concurrently gate_n on gate (n);',
      undefined,
      { transaction: false },
    ),
  })
  const reader = await fixture.connect()
  await reader.query('begin isolation level repeatable read; select * from gate')
  const kiln = startKiln(args(), env())
  await waitUntil('it builds', runs('create index concurrently'))
  kiln.kill('SIGKILL')
  await kiln.exited
  await waitUntil('the orphan is gone', async () => !(await runs('create index concurrently')()))
  await reader.query('rollback')
  const again = await runKiln(args(), env())
  expect(again).toMatchObject({ exitCode: 0, stderr: expect.stringContaining('invalid index') })
  expect(await fixture.rows('select n from gate order by n')).toEqual([{ n: 1 }, { n: 2 }])
  expect(
    await fixture.rows(`select indisvalid from pg_index where indexrelid = 'gate_n'::regclass`),
  ).toEqual([{ indisvalid: true }])
})

test('SIGKILL at any moment: repeated runs reach the same end as one', async () => {
  await fixture.write(
    Object.fromEntries(
      Array.from({ length: 12 }, (_, index) => [
        `${String(index + 1).padStart(4, '0')}_m.sql`,
        file(
          `insert into gate values (${index + 10});\nselect pg_sleep(0.02);\ninsert into gate values (${index + 10});`,
          undefined,
          { transaction: index % 3 !== 0 },
        ),
      ]),
    ),
  )
  let kills = 0
  for (; kills < 40; kills += 1) {
    const kiln = startKiln([...args(), '-q'], env())
    const timer = setTimeout(() => kiln.kill('SIGKILL'), 80 + Math.random() * 250)
    const { exitCode, stderr } = await kiln.exited
    clearTimeout(timer)
    if (exitCode === 0) break
    expect(stderr).toBe('')
  }
  expect((await runKiln(args(), env())).exitCode).toBe(0)
  const rows = await fixture.rows('select n, count(*)::int as c from gate where n >= 10 group by n')
  expect(rows).toHaveLength(12)
  expect(rows.filter(({ c }) => c !== 2)).toEqual([])
})

test('SIGINT cancels on the server, rolls back, and exits 130', async () => {
  await fixture.write({ '0001_half.sql': file(`create table half ();\n${gated};`) })
  const kiln = startKiln(args(), env())
  await waitUntil('it sleeps', runs(gated))
  kiln.kill('SIGINT')
  const { exitCode, stderr } = await kiln.exited
  expect(exitCode).toBe(130)
  expect(stderr).toBe('error: ended by SIGINT [INTERRUPTED]\n')
  expect(await runs(gated)()).toBe(false)
  expect(await fixture.rows(`select to_regclass('half') as t`)).toEqual([{ t: null }])
})

test('SIGINT inside an index build leaves no invalid index', async () => {
  await fixture.write({
    '0001_index.sql': file('create index concurrently gate_n on gate (n);', undefined, {
      transaction: false,
    }),
  })
  const writer = await fixture.connect()
  // Holds up the first phase of a build, not the drop of an index that is not valid yet.
  await writer.query('begin isolation level repeatable read; select * from gate')
  const kiln = startKiln(args(), env())
  await waitUntil('it builds', runs('create index concurrently'))
  kiln.kill('SIGINT')
  await waitUntil('it tidies up', async () => !(await runs('create index concurrently')()))
  await writer.query('rollback')
  expect((await kiln.exited).exitCode).toBe(130)
  expect(await fixture.rows(`select to_regclass('gate_n') as t`)).toEqual([{ t: null }])
  expect(await fixture.rows('select version from kiln_migrations')).toEqual([])
})

test('two commands at once both succeed, and one applies', async () => {
  await fixture.write({
    '0001_once.sql': file('create table once ();\nselect pg_sleep(0.5);'),
  })
  const results = await Promise.all([1, 2].map(() => runKiln([...args(), '-o', 'name'], env())))
  expect(results.map(({ exitCode }) => exitCode)).toEqual([0, 0])
  expect(results.map(({ stdout }) => stdout).toSorted((a, b) => a.length - b.length)).toEqual([
    '',
    '0001\n',
  ])
})
