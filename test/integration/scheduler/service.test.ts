import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, expect, it, onTestFinished } from 'vitest'
import type { Context } from '../../../src/core/context.ts'
import { type Logger, silentLogger } from '../../../src/core/log/index.ts'
import { Service, type ServiceOptions } from '../../../src/core/scheduler/index.ts'
import { type TestContext, openTestContext } from '../../support/core-context.ts'
import { openThroughProxy } from '../../support/postgres-proxy.ts'
import { testToken } from '../../support/http-service.ts'
import { waitUntil } from '../../support/wait-until.ts'

let suite: TestContext
beforeAll(async () => {
  suite = await openTestContext()
})
afterAll(() => suite.close())

/** A service that runs no jobs, and what it logs. */
function makeService(
  context: Context,
  options: Partial<ServiceOptions> = {},
): { readonly service: Service; readonly said: string[] } {
  const said: string[] = []
  const say = (fields: object, message: string): void => {
    said.push(`${message} ${JSON.stringify(fields)}`)
  }
  const log: Logger = { ...silentLogger, info: say, warn: say, error: say }
  const service = new Service(
    { ...context, log },
    {
      programVersion: '0',
      concurrency: 0,
      once: false,
      haste: new AbortController().signal,
      ...options,
    },
  )
  return { service, said }
}

it('says what a reload has changed, what waits for a restart, and that nothing is different', () => {
  const { settings } = suite.context
  const { service, said } = makeService(suite.context)
  const reload = (changes: Partial<typeof settings>): string[] => {
    service.reload(() => ({ ...settings, ...changes }))
    return said.splice(0)
  }
  const same = ['settings read again: none that a reload changes is different {}']
  expect(reload({})).toEqual(same)
  expect(reload({ logLevel: 'debug', apiToken: 'a secret of some length' })).toEqual([
    'settings reloaded {"logLevel":"debug","changed":["ANALYSIS_API_TOKEN","LOG_LEVEL"]}',
  ])
  expect(reload({ logLevel: 'debug', apiToken: 'a secret of some length' })).toEqual(same)
  expect(
    reload({ logLevel: 'debug', apiToken: 'a secret of some length', pollIntervalMs: 5 }),
  ).toEqual([...same, 'changed settings wait for a restart {"waiting":["POLL_INTERVAL_MS"]}'])
})

/** A service behind a proxy, until the test ends. */
async function serveThroughProxy(context: Partial<Context>, options: Partial<ServiceOptions> = {}) {
  const { proxy, database } = await openThroughProxy(suite.database.connectionString)
  const stopping = new AbortController()
  const { service, said } = makeService(
    { ...suite.context, database, signal: stopping.signal, ...context },
    options,
  )
  const start = () => {
    const serving = service.run()
    onTestFinished(async () => {
      stopping.abort()
      // What hangs ends with its connection.
      await proxy.close()
      await serving
      await database.close()
    })
  }
  return { proxy, said, start }
}

it('says also without an executor that notifications do not arrive', async () => {
  const { proxy, said, start } = await serveThroughProxy({})
  proxy.dropNotifications = true
  start()
  await waitUntil('it says so', () =>
    said.some((line) => line.startsWith('notifications do not arrive (a transaction pooler?)')),
  )
})

it('answers requests of jobs with 503 when the database has fallen silent', async () => {
  const settings = { ...suite.context.settings, apiToken: testToken }
  const { proxy, said, start } = await serveThroughProxy(
    { settings },
    { listen: { host: '127.0.0.1', port: 0 } },
  )
  start()
  const url = await waitUntil('it listens', () =>
    said.map((line) => /http:\/\/[\d.]+:\d+/.exec(line)?.[0]).find(Boolean),
  )
  const ask = () =>
    fetch(`${url}/jobs/${randomUUID()}`, { headers: { authorization: `Bearer ${testToken}` } })
  expect((await ask()).status).toBe(404)
  proxy.freeze()
  const silent = await ask()
  expect(silent.status).toBe(503)
  expect(silent.headers.get('retry-after')).not.toBeNull()
})
