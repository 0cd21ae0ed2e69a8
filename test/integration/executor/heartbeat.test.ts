/** The heartbeat of an executor in this process, over a real database. */
import pg from 'pg'
import { afterAll, beforeAll, it } from 'vitest'
import { Executor, noOpRunner } from '../../../src/core/executor/index.ts'
import { type TestContext, openTestContext } from '../../support/core-context.ts'
import { waitUntil } from '../../support/wait-until.ts'

let test: TestContext
beforeAll(async () => {
  test = await openTestContext()
})
afterAll(() => test.close())

it('goes on while statements of jobs fill the pool', async () => {
  const { context } = test
  const executor = new Executor(context, {
    kind: 'service',
    concurrency: 1,
    programVersion: '0',
    runner: noOpRunner,
  })
  await executor.start()
  const operator = new pg.Client({ connectionString: test.database.connectionString })
  await operator.connect()
  const { pool } = context.database
  const held = await Promise.all(Array.from({ length: pool.options.max }, () => pool.connect()))
  try {
    const beats = async () => {
      const { rows } = await operator.query<{ beat_count: string }>(
        'select beat_count from analysis_executors where id = $1',
        [executor.id],
      )
      return Number(rows[0]?.beat_count)
    }
    const before = await beats()
    await waitUntil('it has beaten twice', async () => (await beats()) >= before + 2)
  } finally {
    for (const client of held) client.release()
    await operator.end()
    await executor.stop()
  }
})
