/** What a listener believes of its connection, behind a proxy that loses notifications or hangs. */
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import { Listener, type ListenerOptions } from '../../../src/core/database/index.ts'
import { silentLogger } from '../../../src/core/log/index.ts'
import { type TestContext, openTestContext } from '../../support/core-context.ts'
import { type PostgresProxy, startPostgresProxy } from '../../support/postgres-proxy.ts'
import { waitUntil } from '../../support/wait-until.ts'

let test: TestContext
beforeAll(async () => {
  test = await openTestContext()
})
afterAll(() => test.close())

interface Listening {
  readonly listener: Listener
  readonly proxy: PostgresProxy
  /** Channels, in the order of their notifications. */
  readonly heard: string[]
  /** Everything it said, level first. */
  readonly said: string[]
}

/** A listener through a proxy of its own; the pool is connected to the server itself. */
async function listen(
  more: Partial<ListenerOptions> = {},
  prepare: (proxy: PostgresProxy) => void = () => undefined,
): Promise<Listening> {
  const proxy = await startPostgresProxy(test.database.connectionString)
  prepare(proxy)
  const heard: string[] = []
  const said: string[] = []
  const listener = new Listener({
    target: {
      config: { connectionString: proxy.connectionString },
      label: 'the proxy',
      isPrivate: false,
    },
    pool: test.context.database.pool,
    log: {
      ...silentLogger,
      info: (_, message) => said.push(`info: ${message}`),
      warn: (_, message) => said.push(`warn: ${message}`),
    },
    applicationName: 'kiln test listener',
    channels: ['kiln_test'],
    onNotification: (channel) => heard.push(channel),
    ...more,
  })
  onTestFinished(async () => {
    await listener.stop()
    await proxy.close()
  })
  await listener.start()
  return { listener, proxy, heard, said }
}

const notify = () => test.context.database.pool.query('notify kiln_test')
const listens = (listener: Listener) =>
  waitUntil('notifications arrive', () => listener.isListening)
const listensNoMore = (listener: Listener) =>
  waitUntil('it is noticed that none arrive', () => !listener.isListening)

/** Not so impatient that a slow machine counts as a lost notification. */
const impatient = { keepaliveEveryMs: 100, answerLimitMs: 1000 }

const silence = 'warn: notifications do not arrive (a transaction pooler?): polling instead'
const back = 'info: notifications arrive again'

describe('a listener', () => {
  it('passes notifications on, and not those of its keepalive', async () => {
    const { listener, heard, said } = await listen({ keepaliveEveryMs: 10 })
    await listens(listener)
    await notify()
    await waitUntil('it has heard', () => heard.length > 0)
    await notify()
    await waitUntil('it has heard again', () => heard.length > 1)
    expect(heard).toEqual(['kiln_test', 'kiln_test'])
    expect(said).toEqual([])
  })

  it('listens again when its connection is cut, and makes no words about it', async () => {
    const { listener, heard, said } = await listen()
    await listens(listener)
    await test.context.database.pool.query(
      `select pg_terminate_backend(pid) from pg_stat_activity
       where datname = current_database() and application_name = 'kiln test listener'`,
    )
    await listensNoMore(listener)
    await listens(listener)
    await notify()
    await waitUntil('it has heard', () => heard.length > 0)
    expect(said).toEqual([])
  })
})

describe('a listener whose notifications are lost', () => {
  it('never believes that it listens, and says so once', async () => {
    const { listener, proxy, said } = await listen(impatient, (pooler) => {
      pooler.dropNotifications = true
    })
    await waitUntil('it has tried three times', () => proxy.connectionCount >= 3)
    expect(listener.isListening).toBe(false)
    expect(said).toEqual([silence])
    proxy.dropNotifications = false
    await listens(listener)
    expect(said).toEqual([silence, back])
  })

  it('notices when they stay away later, and when they come back', async () => {
    const { listener, proxy, said } = await listen(impatient)
    await listens(listener)
    proxy.dropNotifications = true
    await listensNoMore(listener)
    proxy.dropNotifications = false
    await listens(listener)
    expect(said).toEqual([silence, back])
  })
})

describe('a listener whose connection hangs', () => {
  it('takes a new one', async () => {
    const { listener, proxy } = await listen(impatient)
    await listens(listener)
    proxy.freeze()
    await listensNoMore(listener)
    proxy.thaw()
    await listens(listener)
    expect(proxy.connectionCount).toBeGreaterThan(1)
  })

  it('stops all the same', async () => {
    const { listener, proxy } = await listen()
    await listens(listener)
    proxy.freeze()
    await listener.stop()
    expect(listener.isListening).toBe(false)
  })

  it('starts all the same', async () => {
    const { listener } = await listen(impatient, (proxy) => proxy.freeze())
    expect(listener.isListening).toBe(false)
  })
})
