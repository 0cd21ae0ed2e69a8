import { afterAll, beforeAll, expect, it, onTestFinished } from 'vitest'
import type { Context } from '../../../src/core/context.ts'
import { openDatabase } from '../../../src/core/database/index.ts'
import { type Logger, silentLogger } from '../../../src/core/log/index.ts'
import { Service } from '../../../src/core/scheduler/index.ts'
import { type TestContext, openTestContext } from '../../support/core-context.ts'
import { startPostgresProxy } from '../../support/postgres-proxy.ts'
import { waitUntil } from '../../support/wait-until.ts'

let suite: TestContext
beforeAll(async () => {
  suite = await openTestContext()
})
afterAll(() => suite.close())

/** A service that runs no jobs, and what it logs. */
function makeService(context: Context): { readonly service: Service; readonly said: string[] } {
  const said: string[] = []
  const say = (fields: object, message: string): void => {
    said.push(`${message} ${JSON.stringify(fields)}`)
  }
  const log: Logger = { ...silentLogger, info: say, warn: say, error: say }
  const service = new Service(
    { ...context, log },
    { programVersion: '0', concurrency: 0, once: false, haste: new AbortController().signal },
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

it('says also without an executor that notifications do not arrive', async () => {
  const proxy = await startPostgresProxy(suite.database.connectionString)
  onTestFinished(() => proxy.close())
  proxy.dropNotifications = true
  const database = openDatabase({
    target: {
      config: { connectionString: proxy.connectionString },
      label: 'the proxy',
      isPrivate: false,
    },
    applicationName: 'kiln test',
    poolSize: 5,
  })
  const stopping = new AbortController()
  const { service, said } = makeService({ ...suite.context, database, signal: stopping.signal })
  const serving = service.run()
  try {
    await waitUntil('it says so', () =>
      said.some((line) => line.startsWith('notifications do not arrive (a transaction pooler?)')),
    )
  } finally {
    stopping.abort()
    await serving
    await database.close()
  }
})
