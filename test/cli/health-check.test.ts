import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { type Server, createServer } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import {
  type AddressInfo,
  type Server as TcpServer,
  createServer as createTcpServer,
} from 'node:net'
import { networkInterfaces } from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, expect, it, onTestFinished } from 'vitest'
import { whyNoAnswer } from '../../src/core/health/get-text.ts'
import { askService, parseTarget, probeTargets } from '../../src/core/health/index.ts'
import { runKiln, startKiln } from '../support/kiln.ts'
import { createTemporaryFolder } from '../support/temporary-folder.ts'
import { waitUntil } from '../support/wait-until.ts'

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
/** What was asked so far. */
const asked: string[] = []
let server: Server
let url: string
beforeAll(async () => {
  server = createServer((request, response) => {
    asked.push(request.url ?? '')
    if (request.url === '/guarded/health') {
      const isRight = request.headers.authorization === `Basic ${btoa('me:p%w')}`
      response.writeHead(isRight ? 200 : 401).end(isRight ? '{"status":"healthy"}' : 'who are you?')
      return
    }
    if (request.url === '/moved') response.writeHead(302, { location: '/health' }).end()
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

it('keeps a password in a URL from the process list, and warns of it', async () => {
  const hanging = url.replace('//', '//me:canary-77@')
  for (const args of [
    ['health', 'check', '--target', `a=${hanging}/hangs-there`],
    ['health', '--url', `${hanging}/hangs-here`],
  ]) {
    const kiln = startKiln([...args, '--timeout', '60s'])
    onTestFinished(() => kiln.kill('SIGKILL'))
    const named = args.at(-1)?.endsWith('there') ? '/hangs-there' : '/hangs-here/health'
    await waitUntil('it asks', () => asked.includes(named))
    expect(readFileSync(`/proc/${kiln.pid}/cmdline`, 'utf8')).not.toContain('canary-77')
    expect(kiln.stderr).toMatch(/^warning: .*ANALYSIS_EXECUTOR_URL/)
    expect(kiln.stderr).not.toContain('canary-77')
  }
})

const ask = (address: string) =>
  askService(
    { executorUrl: address, host: '127.0.0.1', executorPort: 1 },
    { question: 'health', timeoutMs: 60_000 },
  )
const probe = async (address: string) =>
  (await probeTargets([parseTarget(`a=${address}`)], 60_000))[0]

it('gives user and password of a URL to who asks for them, and shows neither', async () => {
  const right = `${url.replace('//', '//me:p%25w@')}/guarded`
  expect(await ask(right)).toMatchObject({ verdict: 'healthy', url: `${url}/guarded/health` })
  expect(await probe(`${right}/health`)).toMatchObject({ status: 'healthy' })
  expect(await ask(`${url}/guarded`)).toMatchObject({
    verdict: 'down',
    problem: 'what answers there, with 401, is not a Kiln service',
  })
  expect(await ask(right.replace('%25', '%'))).toMatchObject({
    problem: 'a % in the user or password of its URL has to be %25',
  })
})

it('follows no redirect: what it leads to is not what was named', async () => {
  expect(await probe(`${url}/moved`)).toMatchObject({
    status: 'unhealthy',
    httpStatus: 302,
    problem: 'it answers with 302',
  })
})

const hasIpv6 = Object.values(networkInterfaces()).some((all) =>
  all?.some(({ address }) => address === '::1'),
)
it.skipIf(!hasIpv6)('asks an IPv6 address', async () => {
  const other = createServer((_, response) => response.end('{"status":"healthy"}'))
  others.push(other)
  await new Promise<void>((resolve) => other.listen(0, '::1', resolve))
  const { port } = other.address() as AddressInfo
  expect(await probe(`http://[::1]:${port}`)).toMatchObject({ status: 'healthy', httpStatus: 200 })
  expect(await ask(`http://[::1]:${port}`)).toMatchObject({ verdict: 'healthy' })
})

it('says that it does not trust a certificate, and how it would', async ({ skip }) => {
  const folder = await createTemporaryFolder('certificate')
  onTestFinished(() => folder.remove())
  const [key, cert] = ['key.pem', 'cert.pem'].map((name) => path.join(folder.path, name))
  const made = spawnSync(
    'openssl',
    // oxfmt-ignore
    ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes',
      '-days', '2', '-subj', '/CN=elsewhere', '-addext', 'subjectAltName=IP:127.0.0.1',
      '-keyout', String(key), '-out', String(cert)],
    { encoding: 'utf8' },
  )
  if (made.error) skip('no openssl here')
  expect(made.status, made.stderr).toBe(0)
  const tls = createTlsServer(
    { key: readFileSync(String(key)), cert: readFileSync(String(cert)) },
    (_, response) => response.end('{"status":"healthy"}'),
  )
  others.push(tls)
  await new Promise<void>((resolve) => tls.listen(0, '127.0.0.1', resolve))
  const { port } = tls.address() as AddressInfo
  expect(await probe(`https://127.0.0.1:${port}`)).toMatchObject({
    status: 'down',
    problem: expect.stringMatching(/^its certificate is not trusted here: .*NODE_EXTRA_CA_CERTS/),
  })
  // The name is checked also where the signature is.
  const trusting = (host: string) =>
    runKiln(['health', 'check', '--target', `a=https://${host}:${port}`, '--json'], {
      env: { NODE_EXTRA_CA_CERTS: String(cert) },
    })
  expect((await trusting('127.0.0.1')).exitCode).toBe(0)
  const { stdout } = await trusting('localhost')
  expect(stdout).toContain('its certificate is for a host of another name')
})

it('has words for a host of which no address answers', () => {
  const problem = (code: string) => {
    const errors = ['::1', '127.0.0.1'].map((address) => new Error(`${code} ${address}`))
    return whyNoAnswer(Object.assign(new AggregateError(errors), { code }))
  }
  expect(problem('ECONNREFUSED')).toBe('nothing listens there')
  expect(problem('EHOSTUNREACH')).toBe('that host cannot be reached from here')
  expect(problem('ETIMEDOUT')).toBe('ETIMEDOUT ::1; ETIMEDOUT 127.0.0.1')
})

it('refuses what is no target', async () => {
  for (const target of ['api', 'api=worker-3', '=http://a']) {
    expect((await check([target])).exitCode).toBe(64)
  }
  expect((await runKiln(['health', 'check'])).exitCode).toBe(64)
  const twice = await check([`a=${url}`, `a=${url}/ping`])
  expect(twice).toMatchObject({ exitCode: 64, stdout: '' })
})
