/** A service behind a pooler that accepts LISTEN and never delivers, and one whose net is cut. */
import { afterAll, beforeAll, expect, it, onTestFinished } from 'vitest'
import { type TestContext, openTestContext } from '../support/core-context.ts'
import { type PostgresProxy, startPostgresProxy } from '../support/postgres-proxy.ts'
import { insertAnalysis, insertJob, readJob } from '../support/queue.ts'
import { type Services, isReady, openServices } from '../support/services.ts'
import { waitUntil } from '../support/wait-until.ts'

let test: TestContext
beforeAll(async () => {
  test = await openTestContext()
})
afterAll(() => test.close())

const pool = () => test.context.database.pool
const scriptRuns = (jobId: string) =>
  waitUntil('the script runs', async () => {
    const { rows } = await pool().query('select from analysis_job_logs where job_id = $1', [jobId])
    return rows.length > 0
  })
const statusOf = async (id: string) => (await readJob(pool(), id)).status

async function open(connectionString: string): Promise<Services> {
  const services = await openServices(connectionString)
  onTestFinished(() => services.close())
  return services
}

async function openThroughProxy(): Promise<{ proxy: PostgresProxy; services: Services }> {
  const proxy = await startPostgresProxy(test.database.connectionString)
  onTestFinished(() => proxy.close())
  return { proxy, services: await open(proxy.connectionString) }
}

it('runs jobs all the same, and says once that it polls', async () => {
  const { proxy, services } = await openThroughProxy()
  proxy.dropNotifications = true
  const service = services.start()
  await service.waitForOutput(/notifications do not arrive \(a transaction pooler\?\)/)
  const id = await insertJob(pool(), await insertAnalysis(pool()))
  await waitUntil('it is done', async () => (await statusOf(id)) === 'completed')
  expect(service.stderr.match(/notifications do not arrive/g)).toHaveLength(1)
})

it('stops cancelled scripts within a second, also while nobody has noticed that notifications ended', async () => {
  const { proxy, services } = await openThroughProxy()
  const service = services.start()
  await isReady(service)
  const analysisId = await insertAnalysis(
    pool(),
    `export default (p, ctx) => { ctx.log.info('begun'); while (!p.isShort) {} }`,
  )
  const first = await insertJob(pool(), analysisId, { parameters: { isShort: true } })
  await waitUntil('it is done', async () => (await statusOf(first)) === 'completed')
  proxy.dropNotifications = true
  const beats = async (): Promise<number> => {
    const { rows } = await pool().query<{ count: number }>(
      'select max(beat_count)::integer as count from analysis_executors',
    )
    return rows[0]?.count ?? 0
  }
  const spansMs: number[] = []
  // The least of a few tries: one that is late on a busy machine says nothing. Each begins right after a
  // heartbeat, so that the heartbeats alone, every 2 s, would be too late each time.
  while (spansMs.length < 5 && !spansMs.some((span) => span < 1000)) {
    const id = await insertJob(pool(), analysisId)
    await scriptRuns(id)
    const before = await beats()
    await waitUntil('it has beaten', async () => (await beats()) > before)
    const cancelledAt = performance.now()
    await pool().query(`update analysis_jobs set status = 'cancelled' where id = $1`, [id])
    // The executor lets go of the lease when the script has ended.
    await waitUntil('it has ended', async () => (await readJob(pool(), id)).lease_token === null)
    spansMs.push(performance.now() - cancelledAt)
  }
  expect(service.stderr).not.toMatch(/notifications do not arrive/)
  expect(Math.min(...spansMs), String(spansMs)).toBeLessThan(1000)
})

it('goes on with new connections when the old ones never answer again, and is not taken for dead', async () => {
  const { proxy, services } = await openThroughProxy()
  const service = services.start()
  // Another one watches from elsewhere.
  const watcher = (await open(test.database.connectionString)).start([
    '--no-executor',
    '--port',
    '0',
  ])
  await Promise.all([isReady(service), watcher.waitForOutput(/http:/)])
  const analysisId = await insertAnalysis(
    pool(),
    `export default async (p, ctx) => { ctx.log.info('begun'); await ctx.sleep(p.ms) }`,
  )
  const running = await insertJob(pool(), analysisId, { parameters: { ms: 12_000 } })
  await scriptRuns(running)
  const executor = (await readJob(pool(), running)).executor_id
  proxy.abandon()
  const next = await insertJob(pool(), analysisId, { parameters: { ms: 1 } })
  for (const id of [next, running]) {
    await waitUntil(
      'the job is completed',
      async () => (await statusOf(id)) === 'completed',
      60_000,
    )
    // Nobody has had a reason to take it for dead.
    expect(await readJob(pool(), id)).toMatchObject({ executor_id: executor, lost_count: 0 })
  }
})
