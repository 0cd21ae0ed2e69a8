/** A limit over two services, one of which is killed with the slot in its hand. */
import { afterAll, beforeAll, expect, it, onTestFinished } from 'vitest'
import { type TestContext, openTestContext } from '../support/core-context.ts'
import { type RunningKiln, startKiln } from '../support/kiln.ts'
import { insertAnalysis, insertJob, readAttempts, readJob } from '../support/queue.ts'
import { waitUntil } from '../support/wait-until.ts'

let test: TestContext
beforeAll(async () => {
  test = await openTestContext()
})
afterAll(() => test.close())

const pool = () => test.context.database.pool

function startService(): RunningKiln {
  const kiln = startKiln(['serve-scheduler', '--no-http', '--concurrency', '2'], {
    cwd: test.folder.path,
    env: {
      DATABASE_URL: test.database.connectionString,
      ANALYSIS_DATA_DIR: test.context.settings.dataDir,
    },
  })
  onTestFinished(async () => {
    kiln.kill('SIGKILL')
    await kiln.exited
  })
  return kiln
}

/** Fails when another job of the analysis runs beside it; the first waits to be killed. */
const script = `export default {
  maxConcurrent: 1,
  async run(ctx) {
    if (await ctx.metadata.get('inside')) await ctx.metadata.set('overlapped', true)
    await ctx.metadata.set('inside', true)
    if (!(await ctx.metadata.get('killed'))) {
      await ctx.metadata.set('begun', true)
      await ctx.sleep(600_000)
    }
    await ctx.sleep(30)
    await ctx.metadata.set('inside', false)
  },
}`

async function metadata(key: string): Promise<unknown> {
  const { rows } = await pool().query<{ value: unknown }>(
    'select value from analysis_metadata where key = $1',
    [key],
  )
  return rows[0]?.value
}

it('is held, and its slot is free again after a service that was killed', async () => {
  const id = await insertAnalysis(pool(), script, { title: 'once', maxConcurrent: 'unread' })
  const jobs: string[] = []
  for (let index = 0; index < 6; index += 1) jobs.push(await insertJob(pool(), id))
  const services = new Map<number, RunningKiln>()
  for (const service of [startService(), startService()]) services.set(service.pid ?? 0, service)
  await waitUntil('a script has begun', () => metadata('begun'))
  const { rows } = await pool().query<{ id: string; pid: number }>(
    `select job.id, executor.pid
     from analysis_jobs job
     join analysis_executors executor on executor.id = job.executor_id
     where job.status = 'running'`,
  )
  expect(rows).toHaveLength(1)
  await pool().query(
    `insert into analysis_metadata (analysis_id, key, value) values ($1, 'killed', 'true')`,
    [id],
  )
  await pool().query(`update analysis_metadata set value = 'false' where key = 'inside'`)
  services.get(rows[0]?.pid ?? -1)?.kill('SIGKILL')
  for (const job of jobs) {
    await waitUntil(
      `job ${job} is completed`,
      async () => (await readJob(pool(), job)).status === 'completed',
      60_000,
    )
  }
  expect(await metadata('overlapped')).toBe(undefined)
  expect(await readAttempts(pool(), rows[0]?.id ?? '')).toEqual(['lost', 'completed'])
  const { rows: slots } = await pool().query(
    'select from analysis_jobs where holds_slot or waits_for_slot',
  )
  expect(slots).toHaveLength(0)
})
