import pg from 'pg'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { cancelUntilEnded } from '../../../src/core/database/index.ts'
import { type TestContext, openTestContext } from '../../support/core-context.ts'

let test: TestContext
beforeAll(async () => {
  test = await openTestContext()
})
afterAll(() => test.close())

it('ends a statement that its request to cancel has overtaken', async () => {
  const { pool, target } = test.context.database
  const client = new pg.Client(target.config)
  await client.connect()
  try {
    const { rows } = await client.query<{ pid: number }>('select pg_backend_pid() as pid')
    const overtaken = Promise.withResolvers<void>()
    const statement = overtaken.promise.then(() => client.query('select pg_sleep(600)'))
    const ended = expect(statement).rejects.toMatchObject({ code: '57014' })
    await cancelUntilEnded(statement, async () => {
      await pool.query('select pg_cancel_backend($1)', [rows[0]?.pid])
      overtaken.resolve()
    })
    await ended
  } finally {
    await client.end()
  }
})
