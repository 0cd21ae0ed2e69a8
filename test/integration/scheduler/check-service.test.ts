import { afterAll, beforeAll, expect, test } from 'vitest'
import { openDatabase } from '../../../src/core/database/index.ts'
import { checkService, stalledAfterMs } from '../../../src/core/scheduler/check-service.ts'
import { type TestContext, openTestContext } from '../../support/core-context.ts'

let suite: TestContext
beforeAll(async () => {
  suite = await openTestContext()
})
afterAll(() => suite.close())

const works = {
  isDraining: false,
  lacksExecutor: false,
  isClaimFailing: false,
  slowestLoopMs: 10,
}

async function problems(
  state = works,
  context: Parameters<typeof checkService>[0] = suite.context,
): Promise<Record<string, string>> {
  const checks = await checkService(context, state)
  expect(checks.map(({ name }) => name)).toEqual(['database', 'migrations', 'loops', 'draining'])
  return Object.fromEntries(
    checks.filter(({ ok }) => !ok).map(({ name, problem }) => [name, problem ?? '']),
  )
}

test('finds nothing wrong with a service that works', async () => {
  expect(await problems()).toEqual({})
})

test('says that it drains', async () => {
  expect(await problems({ ...works, isDraining: true })).toEqual({ draining: 'takes no new jobs' })
})

test('finds a loop that stands still for longer than its own interval', async () => {
  const { pollIntervalMs } = suite.context.settings
  const limit = stalledAfterMs + pollIntervalMs
  expect(await problems({ ...works, slowestLoopMs: limit })).toEqual({})
  expect(await problems({ ...works, slowestLoopMs: limit + 1 })).toEqual({
    loops: 'a loop stands still',
  })
})

test('says that it has no executor', async () => {
  expect(await problems({ ...works, lacksExecutor: true })).toEqual({
    loops: 'no executor is registered',
  })
})

test('says that the database refuses its claims', async () => {
  expect(await problems({ ...works, isClaimFailing: true })).toEqual({
    loops: 'jobs cannot be claimed',
  })
})

test('finds migrations that are missing', async () => {
  const { pool } = suite.context.database
  await pool.query('create table kept as select * from kiln_migrations')
  await pool.query('delete from kiln_migrations where version = (select max(version) from kept)')
  expect(await problems()).toEqual({ migrations: 'SCHEMA_OUTDATED' })
  await pool.query('delete from kiln_migrations')
  await pool.query('insert into kiln_migrations select * from kept')
  expect(await problems()).toEqual({})
})

test('names a database that is away by the code alone', async () => {
  const database = openDatabase({
    target: {
      config: { connectionString: 'postgresql://me:secret@127.0.0.1:1/x' },
      label: 'secret',
      isPrivate: false,
    },
    applicationName: 'kiln test',
    poolSize: 1,
  })
  expect(await problems(works, { ...suite.context, database })).toEqual({
    database: 'DATABASE_CONNECTION_FAILED',
    migrations: 'DATABASE_CONNECTION_FAILED',
  })
  await database.close()
})

test('does not wait for a database that does not answer', async () => {
  const never = new Promise<never>(() => undefined)
  const database = { ...suite.context.database, pool: { query: () => never } as never }
  expect(await problems(works, { ...suite.context, database })).toMatchObject({
    database: 'no answer within 2 s',
  })
})
