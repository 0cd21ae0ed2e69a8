import { type Server, createServer } from 'node:http'
import {
  type AddressInfo,
  type Server as TcpServer,
  createServer as createTcpServer,
} from 'node:net'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { runKiln } from '../support/kiln.ts'

/** Answers by path: the status code, and what its JSON says. */
const answers: Readonly<Record<string, readonly [number, string]>> = {
  '/health': [200, '{"status":"healthy"}'],
  '/ping': [200, 'pong'],
  '/busy': [200, '{"status":"degraded"}'],
  '/liar': [200, '{"status":"unhealthy"}'],
  '/broken': [503, '{"status":"unhealthy"}'],
  '/hostile': [503, '{"status":"\\u001b[31mred\\nOK | a=1"}'],
}

const others: TcpServer[] = []
let server: Server
let url: string
beforeAll(async () => {
  server = createServer((request, response) => {
    const answer = answers[request.url ?? '']
    if (request.url === '/endless') {
      const more = (): void => {
        while (!response.destroyed && response.write('x'.repeat(10_000)));
      }
      response.writeHead(200).on('drain', more)
      more()
    }
    // A path without an answer hangs.
    if (answer) response.writeHead(answer[0]).end(answer[1])
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
})
afterAll(() => {
  server.closeAllConnections()
  server.close()
  for (const other of others) other.close()
})

const check = (targets: readonly string[], ...rest: readonly string[]) =>
  runKiln(['health', 'check', ...targets.flatMap((one) => ['--target', one]), ...rest])

it('asks all at once, and tells healthy, unhealthy and down with their times', async () => {
  const { exitCode, stdout } = await check(
    [`a=${url}`, `b=${url}/ping`, `c=${url}/broken`, `d=${url}/liar`, 'e=http://127.0.0.1:1'],
    '--json',
  )
  expect(exitCode).toBe(2)
  const { items } = JSON.parse(stdout) as { items: { duration_ms: unknown }[] }
  expect(items).toMatchObject([
    { name: 'a', url: `${url}/health`, status: 'healthy', http_status: 200, problem: null },
    { name: 'b', status: 'healthy', reported_status: null },
    { name: 'c', status: 'unhealthy', http_status: 503 },
    { name: 'd', status: 'unhealthy', reported_status: 'unhealthy' },
    { name: 'e', status: 'down', http_status: null, problem: 'nothing listens there' },
  ])
  for (const item of items) expect(item.duration_ms).toEqual(expect.any(Number))
})

it('reads no answer without end', async () => {
  const { stdout } = await check([`a=${url}/endless`], '--timeout', '60s', '--json')
  expect(JSON.parse(stdout)).toMatchObject({
    items: [{ status: 'down', problem: 'the answer has no end' }],
  })
})

it('says in a few words that there is no TLS', async () => {
  const { stdout } = await check([`a=${url.replace('http:', 'https:')}`], '--json')
  expect(JSON.parse(stdout)).toMatchObject({
    items: [{ status: 'down', problem: 'what answers there does not speak TLS' }],
  })
})

it('says what it met where no service is', async () => {
  const listen = async (answer: string) => {
    const other = createTcpServer((socket) => {
      socket.on('error', () => undefined)
      socket.once('data', () => socket.end(answer))
    })
    await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve))
    others.push(other)
    return `http://127.0.0.1:${(other.address() as AddressInfo).port}`
  }
  const targets = [
    `ssh=${await listen('SSH-2.0-OpenSSH\r\n')}`,
    `mute=${await listen('')}`,
    `cut=${await listen('HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n{"status')}`,
  ]
  const { exitCode, stdout } = await check(targets, '--json')
  expect(exitCode).toBe(2)
  const { items } = JSON.parse(stdout) as { items: { problem: string }[] }
  expect(items.map(({ problem }) => problem)).toEqual([
    'what answers there does not speak HTTP',
    'it closed the connection and did not answer',
    'it broke off its answer',
  ])
})

it('waits no longer than told', async () => {
  const { exitCode, stdout } = await check([`slow=${url}/hangs`], '--timeout', '200ms')
  expect({ exitCode, stdout }).toMatchObject({
    exitCode: 2,
    stdout: expect.stringMatching(/slow +down .*no answer within 0.2 s/),
  })
})

it('ends with 0 for healthy ones and 1 for degraded ones', async () => {
  expect(await check([`a=${url}`], '-q')).toMatchObject({ exitCode: 0, stdout: '', stderr: '' })
  expect((await check([`a=${url}/busy`])).exitCode).toBe(1)
})

it('prints one line for Nagios', async () => {
  const good = await check([`a=${url}`], '--nagios')
  expect(good.stdout).toMatch(/^KILN OK - 1 healthy \| 'a'=\d+ms\n$/)
  const bad = await check([`a=${url}`, `b=${url}/broken`], '--nagios')
  expect(bad.stdout).toMatch(/^KILN CRITICAL - 1 of 2: b unhealthy \(it answers with 503/)
  expect(bad.exitCode).toBe(2)
  const service = await runKiln(['health', '--nagios', '--url', 'http://127.0.0.1:1'])
  expect(service).toMatchObject({
    exitCode: 2,
    stdout: expect.stringMatching(/^KILN CRITICAL - \S+ is down: nothing listens there\n$/),
  })
})

it('lets no answer drive the terminal, begin a line or a figure', async () => {
  const line = await check([`a=${url}/hostile`], '--nagios')
  expect(line.exitCode).toBe(2)
  expect(line.stdout).toMatch(
    /^KILN CRITICAL - 1 of 1: a unhealthy \([^\n|]*\\u001b\[31mred OK \/ a=1\) \| 'a'=\d+ms\n$/,
  )
})

it('ends with 3, unknown, where Nagios asks and nothing can be asked', async () => {
  const unknown = {
    exitCode: 3,
    stderr: '',
    stdout: expect.stringMatching(/^KILN UNKNOWN - .*\n$/),
  }
  expect(await check(['a'], '--nagios')).toMatchObject(unknown)
  expect(await check([`a=${url}`], '--nagios', '--nonsense')).toMatchObject(unknown)
  expect(
    await runKiln(['health', '--nagios'], { env: { ANALYSIS_EXECUTOR_PORT: 'none' } }),
  ).toMatchObject(unknown)
})

it('shows no password of a URL', async () => {
  const target = `a=${url.replace('//', '//me:canary-77@')}/broken`
  for (const format of [['--json'], ['-o', 'wide'], ['--nagios'], ['-o', 'csv']]) {
    const { stdout, stderr } = await check([target], ...format)
    expect(stdout + stderr).toContain('503')
    expect(stdout + stderr).not.toContain('canary-77')
  }
})

it('refuses what is no target', async () => {
  for (const target of ['api', 'api=worker-3', '=http://a']) {
    expect((await check([target])).exitCode).toBe(64)
  }
  expect((await runKiln(['health', 'check'])).exitCode).toBe(64)
  const twice = await check([`a=${url}`, `a=${url}/ping`])
  expect(twice).toMatchObject({ exitCode: 64, stdout: '' })
})
