/** Relative dates of scheduled jobs, by a real claim and real sandboxes. */
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest'
import { serve } from '../../../src/core/scheduler/index.ts'
import { type TestContext, openTestContext } from '../../support/core-context.ts'
import { insertAnalysis, insertJob, readJob } from '../../support/queue.ts'

let test: TestContext
beforeAll(async () => {
  test = await openTestContext()
})
afterAll(() => test.close())
afterEach(() => pool().query('truncate analyses cascade'))

const pool = () => test.context.database.pool

const day = `parameters: { day: { type: 'date', default: 'today' } },`

async function run(analysisId: string, columns: Readonly<Record<string, unknown>>) {
  const id = await insertJob(pool(), analysisId, columns)
  const haste = new AbortController().signal
  await serve(test.context, { programVersion: '0', concurrency: 1, once: true, haste })
  return readJob(pool(), id)
}

it.each([
  ['Europe/Berlin', '2026-01-02'],
  ['UTC', '2026-01-01'],
  [null, '2026-01-01'],
])('means the day of the schedule: %s', async (timezone, expected) => {
  const id = await insertAnalysis(pool(), `export default { ${day} run: (ctx, p) => p.day }`)
  const scheduled = { scheduled_for: '2026-01-01T23:30:00Z', schedule_timezone: timezone }
  expect(await run(id, scheduled)).toMatchObject({ status: 'completed', result: expected })
})

it('means the same in what a scheduled job calls', async () => {
  await insertAnalysis(pool(), `export default { ${day} run: (ctx, p) => p.day }`, {
    title: 'child',
  })
  await insertAnalysis(
    pool(),
    `export default { dependencies: { analyses: ['child'] }, run: (ctx) => ctx.runAnalysis('child') }`,
    { title: 'middle' },
  )
  const id = await insertAnalysis(
    pool(),
    `export default { dependencies: { analyses: ['middle'] }, run: (ctx) => ctx.runAnalysis('middle') }`,
  )
  // A place where it is another day than in UTC, at whatever time the test runs.
  const isLate = new Date().getUTCHours() >= 12
  const timezone = isLate ? 'Pacific/Kiritimati' : 'Etc/GMT+12'
  const today = () => new Intl.DateTimeFormat('sv', { timeZone: timezone }).format(new Date())
  const before = today()
  const { result } = await run(id, { schedule_timezone: timezone })
  expect([before, today()]).toContain(result)
})

it('gives what a scheduled job calls the same occurrence, however late it runs', async () => {
  await insertAnalysis(pool(), `export default { ${day} run: (ctx, p) => [p.day, ctx.now] }`, {
    title: 'child',
  })
  const id = await insertAnalysis(
    pool(),
    `export default { dependencies: { analyses: ['child'] }, run: (ctx) => ctx.runAnalysis('child') }`,
  )
  const scheduled = { scheduled_for: '2026-01-01T23:30:00Z', schedule_timezone: 'Europe/Berlin' }
  expect(await run(id, scheduled)).toMatchObject({
    result: ['2026-01-02', '2026-01-01T23:30:00Z'],
  })
})

it('fails a job whose time zone does not exist, and says so', async () => {
  const id = await insertAnalysis(pool(), `export default { ${day} run: (ctx, p) => p.day }`)
  expect(await run(id, { schedule_timezone: 'Mars/Phobos' })).toMatchObject({
    status: 'failed',
    error_code: 'parameter_error',
    error_message: `the job's time zone "Mars/Phobos" does not exist`,
  })
})
