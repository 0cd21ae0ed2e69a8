/** Ids that Postgres gives to jobs. */
import { afterAll, beforeAll, expect, it } from 'vitest'
import { type TestContext, openTestContext } from '../../support/core-context.ts'
import { insertAnalysis, insertJob } from '../../support/queue.ts'

let test: TestContext
beforeAll(async () => {
  test = await openTestContext()
})
afterAll(() => test.close())

it('grow with time, as UUIDs of version 7', async () => {
  const { pool } = test.context.database
  const analysis = await insertAnalysis(pool, 'export default () => 1')
  const before = Date.now()
  const ids: string[] = []
  for (let index = 0; index < 5; index += 1) {
    ids.push(await insertJob(pool, analysis))
    // Within one millisecond they are in no order.
    await pool.query('select pg_sleep(0.002)')
  }
  expect(ids).toEqual(ids.toSorted())
  for (const id of ids) {
    expect(id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/)
    const madeAt = Number.parseInt(id.replaceAll('-', '').slice(0, 12), 16)
    expect(Math.abs(madeAt - before)).toBeLessThan(3_600_000)
  }
  expect(new Set(ids).size).toBe(5)
})
