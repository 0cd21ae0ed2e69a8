/** `postgres.slow-queries` on a server that counts statements, with the names of columns before and now. */
import { afterAll, beforeAll, expect, it } from 'vitest'
import { runDoctor } from '../../../src/core/health/index.ts'
import { openDatabase } from '../../../src/core/database/index.ts'
import { type TestContext, openTestContext } from '../../support/core-context.ts'
import { type OwnPostgres, startOwnPostgres } from '../../support/own-postgres.ts'

let postgres: OwnPostgres
let test: TestContext
beforeAll(async () => {
  postgres = await startOwnPostgres({ shared_preload_libraries: 'pg_stat_statements' })
  test = await openTestContext()
})
afterAll(async () => {
  await test.close()
  await postgres.close()
})

async function look() {
  const { connectionString } = postgres
  const database = openDatabase({
    target: { config: { connectionString }, label: 'its own', isPrivate: false },
    applicationName: 'kiln test',
    poolSize: 2,
  })
  try {
    const { results } = await runDoctor({
      settings: test.context.settings,
      openContext: () => Promise.resolve({ ...test.context, database }),
      only: ['postgres.slow-queries'],
      backupAgeMs: 1,
      snapshotAgeMs: 60_000,
    })
    return results[0]
  } finally {
    await database.close()
  }
}

it('names the slowest of the frequent ones, by the columns that the version has', async () => {
  const { pool } = postgres
  expect(await look()).toMatchObject({ status: 'skipped' })
  await pool.query(`create extension pg_stat_statements version '1.7'`)
  expect(await look()).toMatchObject({ status: 'ok' })
  // At least 20 ms, 100 times.
  for (let round = 0; round < 20; round += 1) {
    await Promise.all(Array.from({ length: 5 }, () => pool.query('select pg_sleep(0.021)')))
  }
  const found = { status: 'warning', fact: expect.stringMatching(/of 100: select pg_sleep\(\$1\)/) }
  expect(await look()).toMatchObject({
    ...found,
    mend: expect.stringContaining('order by mean_time '),
  })
  await pool.query('alter extension pg_stat_statements update')
  expect(await look()).toMatchObject({
    ...found,
    mend: expect.stringContaining('order by mean_exec_time '),
  })
})
