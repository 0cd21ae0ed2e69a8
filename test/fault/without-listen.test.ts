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
const statusOf = async (id: string) => (await readJob(pool(), id)).status

async function openServicesThroughProxy(): Promise<{ proxy: PostgresProxy; services: Services }> {
  const proxy = await startPostgresProxy(test.database.connectionString)
  const services = await openServices(proxy.connectionString)
  onTestFinished(async () => {
    await services.close()
    await proxy.close()
  })
  return { proxy, services }
}

it('stops cancelled scripts within a second, and says that it polls', async () => {
  const { proxy, services } = await openServicesThroughProxy()
  proxy.dropNotifications = true
  const service = services.start()
  await isReady(service)
  await service.waitForOutput(/notifications do not arrive \(a transaction pooler\?\)/)

  const analysisId = await insertAnalysis(
    pool(),
    `export default (p, ctx) => { ctx.log.info('begun'); while (true) {} }`,
  )
  const spansMs: number[] = []
  for (let round = 0; round < 5; round += 1) {
    const id = await insertJob(pool(), analysisId)
    await waitUntil('the script runs', async () => {
      const { rows } = await pool().query('select from analysis_job_logs where job_id = $1', [id])
      return rows.length > 0
    })
    const cancelledAt = performance.now()
    await pool().query(`update analysis_jobs set status = 'cancelled' where id = $1`, [id])
    // The executor lets go of the lease when the script has ended.
    await waitUntil('it has ended', async () => (await readJob(pool(), id)).lease_token === null)
    spansMs.push(performance.now() - cancelledAt)
  }
  // One may be late on a busy machine. Heartbeats alone, every 2 s, would take a second on average.
  expect(spansMs.toSorted((a, b) => a - b)[2]).toBeLessThan(1000)
  expect(service.stderr.match(/notifications do not arrive/g)).toHaveLength(1)
})

it('goes on with new connections when the old ones never answer again', async () => {
  const { proxy, services } = await openServicesThroughProxy()
  const service = services.start()
  await isReady(service)
  const analysisId = await insertAnalysis(pool())
  const before = await insertJob(pool(), analysisId)
  await waitUntil('a job is completed', async () => (await statusOf(before)) === 'completed')
  proxy.abandon()
  const after = await insertJob(pool(), analysisId)
  await waitUntil(
    'the next job is completed',
    async () => (await statusOf(after)) === 'completed',
    60_000,
  )
})
