import { Agent, request } from 'node:http'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { HttpServer } from '../../../src/core/http/index.ts'
import { type TestContext, openTestContext } from '../../support/core-context.ts'
import { startTestHttp } from '../../support/http-service.ts'

let suite: TestContext
beforeAll(async () => {
  suite = await openTestContext()
})
afterAll(() => suite.close())

/** One GET over a connection that is kept. */
function get(url: string, agent: Agent): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    request(url, { agent }, (response) => {
      response.resume()
      response.on('end', () => resolve(response.statusCode))
    })
      .on('error', reject)
      .end()
  })
}

test('a port that is taken is named in one line', async () => {
  const first = await startTestHttp(suite)
  const port = Number(new URL(first.url).port)
  const second = new HttpServer({ host: '127.0.0.1', port, sources: {} as never })
  await expect(second.start()).rejects.toMatchObject({
    code: 'PORT_IN_USE',
    exitCode: 75,
    message: expect.stringMatching(new RegExp(`^port ${port} of 127.0.0.1 is taken.*$`)),
    hint: undefined,
  })
  await second.stop()
  await first.server.stop()
})

test('an address of another machine is refused', async () => {
  const server = new HttpServer({ host: '192.0.2.1', port: 0, sources: {} as never })
  await expect(server.start()).rejects.toMatchObject({ code: 'SETTING_INVALID' })
})

test('stopping ends kept connections and refuses new ones', async () => {
  const http = await startTestHttp(suite)
  const agent = new Agent({ keepAlive: true, maxSockets: 1 })
  expect(await get(`${http.url}/livez`, agent)).toBe(200)
  expect(Object.values(agent.freeSockets).flat()).toHaveLength(1)
  await http.server.stop()
  await expect(get(`${http.url}/livez`, new Agent())).rejects.toMatchObject({
    code: 'ECONNREFUSED',
  })
  agent.destroy()
})

test('stopping lets an answer under way come to its end', async () => {
  let proceed: () => void = () => undefined
  let begun: () => void = () => undefined
  const hasBegun = new Promise<void>((resolve) => (begun = resolve))
  const http = await startTestHttp(suite, {
    readChecks: async () => {
      begun()
      await new Promise<void>((resolve) => (proceed = resolve))
      return []
    },
  })
  const answer = get(`${http.url}/readyz`, new Agent())
  await hasBegun
  const stopped = http.server.stop()
  proceed()
  expect(await answer).toBe(200)
  await stopped
})
