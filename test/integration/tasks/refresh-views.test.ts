import { afterAll, afterEach, beforeAll, expect, it } from 'vitest'
import { refreshViews } from '../../../src/core/tasks/index.ts'
import { type TestContext, openTestContext } from '../../support/core-context.ts'
import { waitUntil } from '../../support/wait-until.ts'

let core: TestContext
beforeAll(async () => {
  core = await openTestContext()
})
afterAll(() => core.close())
afterEach(async () => {
  await pool().query('drop table if exists source cascade')
  await pool().query('drop materialized view if exists slow')
})

const pool = () => core.context.database.pool
const refresh = () => refreshViews(core.context)
const sql = (...statements: readonly string[]) => pool().query(statements.join(';\n'))
const valueOf = async (view: string) => (await pool().query(`select * from ${view}`)).rows

it('refreshes views after those that they read, concurrently where it can', async () => {
  await sql(
    'create table source as select 1 as n',
    'create materialized view "Z base" as select n from source',
    'create unique index on "Z base" (n)',
    'create view between as select n + 1 as n from "Z base"',
    'create materialized view a_top as select n * 10 as n from between',
    'create materialized view never_filled as select n from source with no data',
    'create unique index on never_filled (n)',
    'update source set n = 5',
  )
  const { refreshed, ...others } = await refresh()
  expect(others).toEqual({ concurrently: ['Z base'], skipped: [] })
  expect(refreshed.toSorted()).toEqual(['Z base', 'a_top', 'never_filled'])
  expect(refreshed.at(-1)).toBe('a_top')
  expect(await valueOf('a_top')).toEqual([{ n: 60 }])
  expect(await valueOf('never_filled')).toEqual([{ n: 5 }])
})

it('names each view that fails, and refreshes the others', async () => {
  await sql(
    'create table source as select 1 as n',
    'create materialized view divides as select 1 / n as n from source',
    'create materialized view works as select n from source',
    'update source set n = 0',
  )
  await expect(refresh()).rejects.toMatchObject({
    code: 'PARTIAL',
    message: expect.stringMatching(/^1 of 2 .* divides: .*division by zero/),
    details: { failures: [{ name: 'divides' }] },
  })
  expect(await valueOf('works')).toEqual([{ n: 0 }])
})

it('ends within a query when its service stops', async () => {
  await pool().query(
    'create materialized view slow as select pg_sleep(3600)::text as slept with no data',
  )
  const stop = new AbortController()
  const work = refreshViews({ ...core.context, signal: stop.signal })
  await waitUntil('it refreshes', async () => (await activeRefreshes()) === 1)
  const reason = new Error('stopping')
  stop.abort(reason)
  await expect(work).rejects.toBe(reason)
  await waitUntil('the server has ended it', async () => (await activeRefreshes()) === 0)
})

async function activeRefreshes(): Promise<number> {
  const { rows } = await pool().query(
    `select from pg_stat_activity
     where query like 'refresh materialized view%' and state = 'active'
       and datname = current_database()`,
  )
  return rows.length
}
