/** What a restore asks may take hours; a server that is gone, or an interrupt, ends it all the same. */
import { afterAll, beforeAll, expect, it } from 'vitest'
import { KilnError } from '../../../src/core/errors/index.ts'
import { withRestoreSession } from '../../../src/core/restore/postgres/session.ts'
import { type TestContext, openTestContext } from '../../support/core-context.ts'
import { startPostgresProxy } from '../../support/postgres-proxy.ts'

let test: TestContext
beforeAll(async () => {
  test = await openTestContext()
})
afterAll(() => test.close())

const never = new AbortController().signal

it('lets a statement take longer than the server may be silent', async () => {
  const { target } = test.context.database
  const limits = { signal: never, silenceLimitMs: 1000 }
  const beats = `select count(*)::integer as count from pg_stat_activity
    where datname = current_database()
      and application_name = 'kiln restore (watch)'
      and state_change > $1`
  await withRestoreSession(target, limits, async (session) => {
    const { rows } = await session.query<{ at: string }>('select clock_timestamp()::text as at')
    // Until the watch has asked and been answered several times while this statement ran.
    await session.query(`do $$ begin
      for n in 1 .. 1000 loop
        perform pg_sleep(0.01);
        exit when clock_timestamp() > '${String(rows[0]?.at)}'::timestamptz + interval '1.5 s';
      end loop;
    end $$`)
    const asked = await session.query<{ count: number }>(beats, [rows[0]?.at])
    expect(asked.rows[0]?.count).toBe(1)
  })
})

it('gives up a statement when the server has fallen silent', async () => {
  const proxy = await startPostgresProxy(test.database.connectionString)
  const target = {
    config: { connectionString: proxy.connectionString },
    label: 'the silent server',
    isPrivate: false,
  }
  try {
    await expect(
      withRestoreSession(target, { signal: never, silenceLimitMs: 300 }, async (session) => {
        const asked = session.query('select pg_sleep(600)')
        proxy.freeze()
        await asked
      }),
    ).rejects.toMatchObject({
      code: 'DATABASE_CONNECTION_FAILED',
      exitCode: 69,
      message: 'connection failed: the silent server has not answered for 0.3 s',
    })
  } finally {
    await proxy.close()
  }
})

it('ends a statement on the server when it is interrupted, and puts things in order', async () => {
  const interrupt = new AbortController()
  const { target } = test.context.database
  await expect(
    withRestoreSession(target, { signal: interrupt.signal }, async (session) => {
      await session.query('create table rest (x integer)')
      const asked = session.query('select pg_sleep(600)')
      interrupt.abort(new KilnError('INTERRUPTED', 'ended by SIGINT'))
      try {
        await asked
      } finally {
        await session.client.query('drop table rest')
      }
    }),
  ).rejects.toMatchObject({ code: 'INTERRUPTED' })
  const { rows } = await test.context.database.pool.query(
    `select to_regclass('rest') is null as gone,
       exists (select from pg_stat_activity where query like 'select pg_sleep%' and state = 'active') as runs`,
  )
  expect(rows).toEqual([{ gone: true, runs: false }])
})
