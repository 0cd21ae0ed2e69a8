/** What a service costs Postgres while there is nothing to do. */
import { setTimeout as delay } from 'node:timers/promises'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { type OwnPostgres, startOwnPostgres } from '../support/own-postgres.ts'
import { type Services, isReady, openServices } from '../support/services.ts'

let postgres: OwnPostgres
let services: Services
beforeAll(async () => {
  postgres = await startOwnPostgres({ shared_preload_libraries: 'pg_stat_statements' })
  services = await openServices(postgres.connectionString)
})
afterAll(async () => {
  await services.close()
  await postgres.close()
})

/** Long enough for one reading of the statistics and one keepalive, which come every 30 s. */
const windowMs = 31_000

it('asks at most three statements a second, with all its parts', async () => {
  const { pool } = postgres
  await pool.query('create extension pg_stat_statements')
  const service = services.start(['--port', '0'])
  await isReady(service)
  await pool.query('select pg_stat_statements_reset()')
  const startedAt = performance.now()
  await delay(windowMs)
  const { rows } = await pool.query<{ calls: number; query: string }>(
    `select calls, query
     from pg_stat_statements
     where query not like '%pg_stat_statements%'
     order by calls desc`,
  )
  const seconds = (performance.now() - startedAt) / 1000
  const calls = rows.reduce((sum, row) => sum + row.calls, 0)
  const detail = rows.map(
    (row) => `${row.calls} ${row.query.replaceAll(/\s+/g, ' ').slice(0, 100)}`,
  )
  expect(calls, detail.join('\n')).toBeGreaterThan(0)
  expect(calls / seconds, detail.join('\n')).toBeLessThanOrEqual(3)
})
