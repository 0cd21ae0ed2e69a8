import { type Socket, connect } from 'node:net'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { bodyLimitBytes } from '../../src/core/http/read-json-body.ts'
import { type TestContext, openTestContext } from '../support/core-context.ts'
import { type TestHttp, startTestHttp, testToken } from '../support/http-service.ts'
import { waitUntil } from '../support/wait-until.ts'

let suite: TestContext
let http: TestHttp
const sockets: Socket[] = []
beforeAll(async () => {
  suite = await openTestContext()
  http = await startTestHttp(suite)
})
afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy()
  // Whatever was sent, the next client is served.
  expect((await fetch(`${http.url}/livez`)).status).toBe(200)
})
afterAll(async () => {
  await http.server.stop()
  await suite.close()
})

interface Client {
  readonly socket: Socket
  readonly received: string
  /** Resolves when the server has ended the connection. */
  readonly ended: Promise<string>
}

/** A client that sends what no library would. */
function open(): Client {
  const { hostname, port } = new URL(http.url)
  const socket = connect(Number(port), hostname)
  sockets.push(socket)
  let received = ''
  socket.setEncoding('utf8').on('data', (text: string) => (received += text))
  // The server may reset a connection that sends on after its end.
  socket.on('error', () => undefined)
  return {
    socket,
    get received() {
      return received
    },
    ended: new Promise((resolve) => socket.on('close', () => resolve(received))),
  }
}

const post = (headers: string): string =>
  `POST /jobs HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${testToken}\r\n` +
  `Content-Type: application/json\r\n${headers}\r\n\r\n`

describe('garbage', () => {
  test.each([
    'hello\r\n\r\n',
    '\u0000\u0001\u0002\r\n\r\n',
    'GET /livez HTTP/9.9\r\n\r\n',
    'GET /livez HTTP/1.1\r\n\r\n',
    'GET /li\u0000vez HTTP/1.1\r\nHost: x\r\n\r\n',
    'POST /jobs HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n',
    'POST /jobs HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n',
    'POST /jobs HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n',
    'GET /livez HTTP/1.1\r\nHost: x\r\nA: b\nX: y\r\n folded\r\n\r\n',
  ])('%j is a 400 and the end of the connection', async (text) => {
    const client = open()
    client.socket.write(text)
    expect(await client.ended).toMatch(/^HTTP\/1\.1 400 /)
    expect(client.received).not.toContain('    at ')
  })

  test('a TLS hello is refused', async () => {
    const client = open()
    client.socket.write(Buffer.from('16030100c8010000c40303', 'hex'))
    expect(await client.ended).toMatch(/^HTTP\/1\.1 400 /)
  })

  test('half a request that is cut off disturbs nobody', async () => {
    const client = open()
    client.socket.write(`${post('Content-Length: 100')}{"analysis":`)
    await new Promise((resolve) => client.socket.once('connect', resolve))
    client.socket.resetAndDestroy()
  })
})

describe('floods', () => {
  test('headers above 16 KB are a 431', async () => {
    const client = open()
    client.socket.write(`GET /livez HTTP/1.1\r\nHost: x\r\nA: ${'a'.repeat(20_000)}\r\n\r\n`)
    expect(await client.ended).toMatch(/^HTTP\/1\.1 431 /)
  })

  test('headers without end are cut off', async () => {
    const client = open()
    client.socket.write('GET /livez HTTP/1.1\r\n')
    const send = setInterval(() => client.socket.write(`A${'a'.repeat(1000)}: b\r\n`), 1)
    expect(await client.ended.finally(() => clearInterval(send))).toMatch(/^HTTP\/1\.1 431 /)
  })

  test('a request that takes for ever to say its headers is let go', async () => {
    const client = open()
    client.socket.write('GET /livez HTTP/1.1\r\nHost: x\r\n')
    const send = setInterval(() => client.socket.write('A: b\r\n'), 500)
    expect(await client.ended.finally(() => clearInterval(send))).toMatch(/^HTTP\/1\.1 408 /)
  })
})

describe('body bombs', () => {
  test('a length above the limit is refused before the body comes', async () => {
    const client = open()
    client.socket.write(post(`Content-Length: ${50 * bodyLimitBytes}`))
    await waitUntil('the answer is there', () => client.received.includes('BODY_TOO_LARGE'))
    expect(client.received).toMatch(/^HTTP\/1\.1 413 /)
    expect(await client.ended).toContain('BODY_TOO_LARGE')
  })

  test('a client that asks before it sends is told no', async () => {
    const client = open()
    client.socket.write(post(`Content-Length: ${2 * bodyLimitBytes}\r\nExpect: 100-continue`))
    expect(await client.ended).toMatch(/^HTTP\/1\.1 413 /)
  })

  test('a client that asks before it sends a small body is told to go on', async () => {
    const client = open()
    const body = '{"analysis":"nobody"}'
    client.socket.write(
      post(`Content-Length: ${body.length}\r\nConnection: close\r\nExpect: 100-continue`),
    )
    await waitUntil('it may go on', () => client.received.includes('100 Continue'))
    client.socket.write(body)
    expect(await client.ended).toContain('ANALYSIS_NOT_FOUND')
  })

  test('chunks without end are cut off at the limit', async () => {
    const client = open()
    client.socket.write(post('Transfer-Encoding: chunked'))
    const chunk = `10000\r\n${'x'.repeat(0x10000)}\r\n`
    let sent = 0
    const send = setInterval(() => {
      client.socket.write(chunk)
      sent += 1
    }, 1)
    const answer = await client.ended.finally(() => clearInterval(send))
    expect(answer).toMatch(/^HTTP\/1\.1 413 /)
    expect(sent).toBeGreaterThan(16)
  })

  test('a body for a path that takes none is not waited for', async () => {
    const client = open()
    client.socket.write('POST /nowhere HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000000\r\n\r\n')
    expect(await client.ended).toMatch(/^HTTP\/1\.1 404 /)
  })

  test('a body without a token is not read', async () => {
    const client = open()
    client.socket.write(post('Content-Length: 500000').replace(testToken, 'wrong'))
    expect(await client.ended).toMatch(/^HTTP\/1\.1 401 /)
  })

  test('a client that is refused while it still sends is not cut off at once', async () => {
    const client = open()
    const errors: Error[] = []
    client.socket.on('error', (error) => errors.push(error))
    const half = 'x'.repeat(100_000)
    client.socket.write(post(`Content-Length: ${2 * half.length}`).replace(testToken, 'wrong'))
    client.socket.write(half)
    await waitUntil('it is refused', () => client.received.includes('UNAUTHORIZED'))
    expect(client.socket.readyState).toBe('open')
    client.socket.write(half)
    await client.ended
    expect(errors).toEqual([])
  })

  test('JSON that is nested without end is an answer', async () => {
    const response = await http.call('/jobs', undefined, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: '['.repeat(bodyLimitBytes),
    })
    expect(response.status).toBe(400)
  })

  test.each(['__proto__', 'constructor', 'toString'])(
    'the key %s is a wrong key and no more',
    async (key) => {
      const response = await http.call('/jobs', undefined, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: `{"analysis": "nobody", "${key}": {"isActive": true}}`,
      })
      expect([400, 404]).toContain(response.status)
      expect(({} as Record<string, unknown>).isActive).toBeUndefined()
    },
  )
})

test('a parameter called __proto__ is one that the analysis does not have', async () => {
  await suite.context.database.pool.query(
    `insert into analyses (title, script_content, project_id) values ('plain', 'export default () => 1', 'p')`,
  )
  const response = await http.call('/jobs', undefined, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: '{"analysis": "plain", "parameters": {"__proto__": {"isAdmin": true}}}',
  })
  expect(response.status).toBe(201)
  const { id } = (await response.json()) as { id: string }
  const { rows } = await suite.context.database.pool.query(
    'select parameters::text as text from analysis_jobs where id = $1',
    [id],
  )
  expect(rows).toEqual([{ text: '{"__proto__": {"isAdmin": true}}' }])
})

test('the token is in no answer and in no log line', async () => {
  const lines: string[] = []
  const log = (fields: object, message: string) => lines.push(JSON.stringify({ fields, message }))
  const context = { ...suite.context, log: { debug: log, info: log, warn: log, error: log } }
  const watched = await startTestHttp(suite, {
    context,
    readChecks: () => Promise.reject(new Error('broken')),
  })
  const texts: string[] = []
  for (const path of ['/readyz', '/jobs', '/jobs/1', '/nowhere']) {
    texts.push(await (await watched.call(path, { analysis: 'nobody' })).text())
    texts.push(await (await watched.call(path)).text())
  }
  await watched.server.stop()
  expect(lines.length).toBeGreaterThan(0)
  expect([...texts, ...lines].join('\n')).not.toContain(testToken)
})
