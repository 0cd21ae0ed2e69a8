/** A Postgres that is there and refuses: what people are mending must not end the service. */
import { afterAll, beforeAll, expect, it } from 'vitest'
import type { HealthCheck } from '../../src/core/http/index.ts'
import { type OwnPostgres, startOwnPostgres } from '../support/own-postgres.ts'
import { insertAnalysis, insertJob, readJob } from '../support/queue.ts'
import { type Services, isReady, openServices } from '../support/services.ts'
import { waitUntil } from '../support/wait-until.ts'

let postgres: OwnPostgres
let services: Services
beforeAll(async () => {
  postgres = await startOwnPostgres()
  services = await openServices(postgres.connectionString)
})
afterAll(async () => {
  await services.close()
  await postgres.close()
})

const ends = (id: string) =>
  waitUntil('the job has ended', async () => {
    const { status } = await readJob(postgres.pool, id)
    return status === 'completed'
  })

it('ends no service while it is read only, and jobs run when it is not', async () => {
  const { pool } = postgres
  const analysisId = await insertAnalysis(pool)
  const service = services.start(['--no-http', '--no-schedules'])
  await isReady(service)
  await pool.query('alter system set default_transaction_read_only = on')
  await pool.query('select pg_reload_conf()')
  await service.waitForOutput(/cannot claim jobs/)
  const { rows } = await pool.query('show default_transaction_read_only')
  expect(rows).toEqual([{ default_transaction_read_only: 'on' }])
  // It has been said once, and goes on being tried.
  await service.waitForOutput(/the heartbeat fails/)
  await pool.query('alter system reset default_transaction_read_only')
  await pool.query('select pg_reload_conf()')
  await waitUntil('the server takes writes again', async () => {
    const now = await pool.query<{ default_transaction_read_only: string }>(
      'show default_transaction_read_only',
    )
    return now.rows[0]?.default_transaction_read_only === 'off'
  })
  await ends(await insertJob(pool, analysisId))
  await service.waitForOutput(/jobs are claimed again/)
})

it('registers anew, as often as it takes, after it was declared dead', async () => {
  const { pool } = postgres
  const analysisId = await insertAnalysis(pool)
  const service = services.start(['--port', '0', '--no-schedules'])
  const [url] = await service.waitForOutput(/http:\/\/[\d.]+:\d+/)
  const readiness = async () => {
    const response = await fetch(`${url}/readyz`)
    const body = (await response.json()) as { checks: readonly HealthCheck[] }
    return { status: response.status, body }
  }
  await waitUntil('it is ready', async () => (await readiness()).status === 200)
  await pool.query(
    `create function refuse() returns trigger language plpgsql as $$
     begin raise exception 'no more executors'; end $$;
     create trigger refuse before insert on analysis_executors
     for each row execute function refuse();
     update analysis_executors set stopped_at = now()`,
  )
  await service.waitForOutput(/no more executors/)
  await waitUntil('it says that it has no executor', async () => {
    const { status, body } = await readiness()
    return (
      status === 503 && body.checks.some(({ problem }) => problem === 'no executor is registered')
    )
  })
  await pool.query('drop trigger refuse on analysis_executors; drop function refuse')
  await waitUntil('it is ready again', async () => (await readiness()).status === 200)
  await ends(await insertJob(pool, analysisId))
})
