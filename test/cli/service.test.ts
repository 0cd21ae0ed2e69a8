import { createServer } from 'node:http'
import { existsSync, readFileSync } from 'node:fs'
import { mkdir, rename, writeFile } from 'node:fs/promises'
import type { AddressInfo } from 'node:net'
import path from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { type TestDatabase, createTestDatabase } from '../support/database.ts'
import { testToken } from '../support/http-service.ts'
import { type RunningKiln, runKiln, startKiln } from '../support/kiln.ts'
import { parseMetrics } from '../support/parse-metrics.ts'
import { type TemporaryFolder, createTemporaryFolder } from '../support/temporary-folder.ts'
import { query } from '../support/test-server.ts'
import { waitUntil } from '../support/wait-until.ts'

let database: TestDatabase
let folder: TemporaryFolder
const services: RunningKiln[] = []

beforeAll(async () => {
  database = await createTestDatabase()
  folder = await createTemporaryFolder('service')
  await sql(`
    insert into analyses (title, script_content, project_id)
    values ('quick', 'export default () => ({ answer: 42 })', 'p'),
      ('slow', 'export default async (params, ctx) => { await ctx.sleep(600000) }', 'p')`)
})
afterEach(async () => {
  for (const service of services.splice(0)) {
    service.kill('SIGKILL')
    await service.exited
  }
})
afterAll(async () => {
  await folder.remove()
  await database.drop()
})

const sql = (text: string) => query(database.connectionString, text)
const env = (more: Record<string, string> = {}) => ({
  DATABASE_URL: database.connectionString,
  ANALYSIS_DATA_DIR: path.join(folder.path, 'data'),
  ANALYSIS_API_TOKEN: testToken,
  ...more,
})
const kiln = (args: readonly string[], more: Record<string, string> = {}) =>
  runKiln(args, { env: env(more) })

/** A service that listens on a free port, and its URL. */
async function startService(args: readonly string[] = [], more: Record<string, string> = {}) {
  const service = startKiln(['serve-scheduler', '--port', '0', ...args], { env: env(more) })
  services.push(service)
  const [url] = await service.waitForOutput(/http:\/\/[\d.]+:\d+/)
  return { service, url }
}

async function get(url: string): Promise<{ status: number; body: Record<string, unknown> }> {
  const response = await fetch(url, { headers: { authorization: `Bearer ${testToken}` } })
  return { status: response.status, body: (await response.json()) as Record<string, unknown> }
}

async function queueOver(url: string, analysis: string): Promise<string> {
  const response = await fetch(`${url}/jobs`, {
    method: 'POST',
    headers: { authorization: `Bearer ${testToken}`, 'content-type': 'application/json' },
    body: JSON.stringify({ analysis }),
  })
  expect(response.status).toBe(201)
  return ((await response.json()) as { id: string }).id
}

const waitForStatus = (url: string, id: string, status: string) =>
  waitUntil(`job ${id} is ${status}`, async () => {
    return (await get(`${url}/jobs/${id}`)).body.status === status
  })

describe('kiln serve-scheduler', () => {
  test('runs a job that came over HTTP, and counts it', async () => {
    const { service, url } = await startService()
    await waitUntil('it is ready', async () => (await get(`${url}/readyz`)).status === 200)
    const id = await queueOver(url, 'quick')
    await waitForStatus(url, id, 'completed')
    expect((await get(`${url}/jobs/${id}/result`)).body).toEqual({ answer: 42 })
    const metrics = async () => parseMetrics(await (await fetch(`${url}/metrics`)).text())
    const count = 'analysis_execution_duration_seconds_count'
    await waitUntil('the heartbeat has saved what was measured', async () => {
      return (await metrics()).get('analysis_execution_duration_seconds')?.samples.get(count) === 1
    })
    const families = await metrics()
    expect(
      families.get('analysis_jobs_total')?.samples.get('analysis_jobs_total{status="completed"}'),
    ).toBe(1)
    expect(
      families.get('analysis_job_wait_seconds')?.samples.get('analysis_job_wait_seconds_count'),
    ).toBe(1)
    service.kill('SIGTERM')
    expect(await service.exited).toMatchObject({ exitCode: 0 })
    expect(service.stderr).toContain('Analysis Executor starting...')
    expect(service.stderr).toContain('Job poller started')
    expect(service.stderr).not.toContain(testToken)
  })

  test('counts the jobs of commands too', async () => {
    const total = async () => {
      const { rows } = await sql(`
        select sum(value) as total from analysis_counters
        where name like 'job_duration_seconds_bucket:%'`)
      return Number((rows[0] as { total: number }).total)
    }
    const before = await total()
    expect((await kiln(['analysis', 'run', 'quick', '-q'])).exitCode).toBe(0)
    expect(await total()).toBe(before + 1)
  })

  test('a taken port is one line and exit code 75', async () => {
    const { url } = await startService(['--no-executor'])
    const { port } = new URL(url)
    const result = await kiln(['serve-scheduler', '--port', port])
    expect(result).toMatchObject({ exitCode: 75, stdout: '' })
    expect(result.stderr).toMatch(/^error: port \d+ of 127\.0\.0\.1 is taken.*\[PORT_IN_USE\]\n$/)
  })

  test('SIGTERM waits for the running job, and is not ready meanwhile', async () => {
    const { service, url } = await startService()
    const id = await queueOver(url, 'slow')
    await waitForStatus(url, id, 'running')
    service.kill('SIGTERM')
    await waitUntil('it is not ready', async () => (await get(`${url}/readyz`)).status === 503)
    expect((await get(`${url}/readyz`)).body.checks).toContainEqual({
      name: 'draining',
      ok: false,
      problem: 'takes no new jobs',
    })
    expect((await get(`${url}/livez`)).status).toBe(200)
    await sql(`update analysis_jobs set status = 'cancelled' where id = '${id}'`)
    expect(await service.exited).toMatchObject({ exitCode: 0 })
  })

  test('hands jobs back when the drain limit is over', async () => {
    const { service, url } = await startService([], { ANALYSIS_DRAIN_TIMEOUT_SECONDS: '0.2' })
    const id = await queueOver(url, 'slow')
    await waitForStatus(url, id, 'running')
    service.kill('SIGTERM')
    expect(await service.exited).toMatchObject({ exitCode: 0 })
    expect(service.stderr).toContain('the drain limit is over')
    const { rows } = await sql(`
      select status, handed_back_count from analysis_jobs where id = '${id}'`)
    expect(rows).toEqual([{ status: 'pending', handed_back_count: 1 }])
    const executors = await kiln(['executor', 'list', '--json'])
    expect(JSON.parse(executors.stdout).items).toEqual([])
    await sql(`update analysis_jobs set status = 'cancelled' where id = '${id}'`)
  })

  test('a second signal hands jobs back at once', async () => {
    const { service, url } = await startService()
    const id = await queueOver(url, 'slow')
    await waitForStatus(url, id, 'running')
    service.kill('SIGTERM')
    await service.waitForOutput(/waiting for the running jobs/)
    service.kill('SIGTERM')
    expect(await service.exited).toMatchObject({ exitCode: 0 })
    const { rows } = await sql(`select status from analysis_jobs where id = '${id}'`)
    expect(rows).toEqual([{ status: 'pending' }])
    await sql(`update analysis_jobs set status = 'cancelled' where id = '${id}'`)
  })

  test('--no-executor serves HTTP, runs no job and rescues those of the dead', async () => {
    const { service, url } = await startService(['--no-executor'])
    await waitUntil('it is ready', async () => (await get(`${url}/readyz`)).status === 200)
    const id = await queueOver(url, 'quick')
    // Another executor dies with a job in hand.
    const other = await startService([])
    await waitForStatus(url, id, 'completed')
    const lost = await queueOver(url, 'slow')
    await waitForStatus(url, lost, 'running')
    other.service.kill('SIGKILL')
    await other.service.exited
    await waitForStatus(url, lost, 'pending')
    expect(service.stderr).not.toContain('Job poller started')
    await sql(`update analysis_jobs set status = 'cancelled' where id = '${lost}'`)
    service.kill('SIGINT')
    expect(await service.exited).toMatchObject({ exitCode: 0 })
  })

  test('finds jobs whose leases somebody has deleted', async () => {
    const other = await startService([])
    const id = await queueOver(other.url, 'slow')
    await waitForStatus(other.url, id, 'running')
    other.service.kill('SIGKILL')
    await other.service.exited
    await sql('delete from analysis_leases')
    const { url } = await startService(['--no-executor'])
    await waitForStatus(url, id, 'pending')
    await sql(`update analysis_jobs set status = 'cancelled' where id = '${id}'`)
  })

  test('fires schedules and nothing else with --no-executor --no-http', async () => {
    const service = startKiln(['serve-scheduler', '--no-executor', '--no-http'], {
      cwd: folder.path,
      env: { ...env(), ANALYSIS_METRICS_INTERVAL_SECONDS: '0.05' },
    })
    services.push(service)
    await service.waitForOutput(/Analysis system stats/)
    service.kill('SIGTERM')
    expect(await service.exited).toMatchObject({ exitCode: 0 })
    expect(service.stderr).not.toMatch(/HTTP listens|Job poller/)
  })

  test.each([
    ['--no-executor', '--once'],
    ['--no-http', '--port=1'],
    ['--port', '65536'],
  ])('%s %s is a usage error', async (...flags) => {
    expect(await kiln(['serve-scheduler', ...flags])).toMatchObject({ exitCode: 64, stdout: '' })
  })

  test('logs its statistics, and SIGHUP puts new settings in force', async () => {
    const cwd = folder.path
    const settings = (level: string, token: string) =>
      writeFile(
        path.join(cwd, '.env'),
        `LOG_LEVEL=${level}\nANALYSIS_METRICS_INTERVAL_SECONDS=0.05\nANALYSIS_API_TOKEN=${token}\n`,
      )
    await settings('info', testToken)
    const service = startKiln(['serve-scheduler', '--port', '0', '--no-executor'], {
      cwd,
      env: { ...env(), ANALYSIS_API_TOKEN: undefined },
    })
    services.push(service)
    const [, url = ''] = await service.waitForOutput(/"url":"(http:\/\/[^"]+)"/)
    await service.waitForOutput(/Analysis system stats: \d+ running jobs, \d+ total results/)
    expect((await get(`${url}/jobs/none`)).status).toBe(400)
    await settings('debug', 'another-token-0000001')
    service.kill('SIGHUP')
    await service.waitForOutput(/settings reloaded/)
    expect((await get(`${url}/jobs/none`)).status).toBe(401)
    await service.waitForOutput(/"level":"debug".*"HTTP request"/)
    await writeFile(path.join(cwd, '.env'), 'LOG_LEVEL=loud\n')
    service.kill('SIGHUP')
    await service.waitForOutput(/settings not reloaded/)
    expect((await get(`${url}/livez`)).status).toBe(200)
  })

  test('a token that is too short is refused without being shown', async () => {
    const result = await kiln(['serve-scheduler', '--port', '0'], { ANALYSIS_API_TOKEN: 'shorty' })
    expect(result.exitCode).toBe(78)
    expect(result.stderr).toContain('ANALYSIS_API_TOKEN')
    expect(result.stderr).not.toContain('shorty')
  })

  test('logs to a file too, as JSON, and says when it cannot', async () => {
    const file = path.join(folder.path, 'kiln.log')
    const { service } = await startService(['--no-executor'], {
      LOG_FILE: file,
      LOG_FORMAT: 'text',
    })
    service.kill('SIGTERM')
    expect((await service.exited).exitCode).toBe(0)
    const lines = readFileSync(file, 'utf8').trimEnd().split('\n')
    expect(JSON.parse(lines[0] ?? '').message).toContain('HTTP listens on')
    const result = await kiln(['serve-scheduler', '--port', '0'], { LOG_FILE: '/no/such/kiln.log' })
    expect(result.exitCode).toBe(73)
  })

  test('SIGHUP opens the log file anew, also where the settings are refused', async () => {
    const cwd = path.join(folder.path, 'rotated')
    await mkdir(cwd)
    const file = path.join(cwd, 'kiln.log')
    const service = startKiln(['serve-scheduler', '--port', '0', '--no-executor'], {
      cwd,
      env: { ...env(), LOG_FILE: file },
    })
    services.push(service)
    await service.waitForOutput(/HTTP listens on/)
    for (const [number, [settings, told]] of (
      [
        ['LOG_LEVEL=info\n', 'settings read again'],
        ['LOG_LEVEL=loud\n', 'settings not reloaded'],
      ] as const
    ).entries()) {
      await writeFile(path.join(cwd, '.env'), settings)
      await rename(file, `${file}-${number}`)
      service.kill('SIGHUP')
      await waitUntil(
        `${told} stands in the new file`,
        () => existsSync(file) && readFileSync(file, 'utf8').includes(told),
      )
      expect(readFileSync(`${file}-${number}`, 'utf8')).not.toContain(told)
    }
  })

  test('reads the token from a file', async () => {
    const file = path.join(folder.path, 'token')
    await writeFile(file, `${testToken}\n`)
    const service = startKiln(['serve-scheduler', '--port', '0', '--no-executor'], {
      env: { ...env(), ANALYSIS_API_TOKEN: undefined, ANALYSIS_API_TOKEN_FILE: file },
    })
    services.push(service)
    const [, url = ''] = await service.waitForOutput(/"url":"(http:\/\/[^"]+)"/)
    expect((await get(`${url}/jobs/none`)).status).toBe(400)
  })
})

describe('kiln health', () => {
  test('is 0 when the service works', async () => {
    const { url } = await startService(['--no-executor'])
    await waitUntil('it is ready', async () => (await get(`${url}/readyz`)).status === 200)
    for (const [flag, status] of [
      ['--live', 'alive'],
      ['--ready', 'ready'],
    ] as const) {
      const result = await kiln(['health', flag, '--url', url, '--json'])
      expect(result).toMatchObject({ exitCode: 0, stderr: '' })
      expect(JSON.parse(result.stdout).status).toBe(status)
    }
    const summary = await kiln(['health', '--json'], { ANALYSIS_EXECUTOR_URL: `${url}/` })
    expect(summary.exitCode).toBe(0)
    expect(JSON.parse(summary.stdout)).toMatchObject({ status: 'healthy', database: 'connected' })
    const { port } = new URL(url)
    const local = await kiln(['health', '-o', 'name'], {
      HOST: '0.0.0.0',
      ANALYSIS_EXECUTOR_PORT: port,
    })
    expect(local).toMatchObject({ exitCode: 0, stdout: 'healthy\n' })
  })

  test.each([
    ['degraded', 1],
    ['unhealthy', 2],
    ['something', 2],
  ])('what says %s is %i', async (status, exitCode) => {
    const server = createServer((_request, response) => response.end(JSON.stringify({ status })))
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const { port } = server.address() as AddressInfo
    const result = await kiln(['health', '--json', '--url', `http://127.0.0.1:${port}`])
    expect(result.exitCode).toBe(exitCode)
    server.close()
  })

  test('is 2 when nothing listens, and when what listens does not answer', async () => {
    const down = await kiln(['health', '--json', '--url', 'http://127.0.0.1:1'])
    expect(down.exitCode).toBe(2)
    expect(JSON.parse(down.stdout)).toEqual({
      status: 'down',
      url: 'http://127.0.0.1:1/health',
      problem: 'nothing listens there',
    })
    const server = createServer(() => undefined)
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const { port } = server.address() as AddressInfo
    const url = `http://127.0.0.1:${port}`
    const silent = await kiln(['health', '--live', '--url', url, '--timeout', '100ms'])
    expect(silent.exitCode).toBe(2)
    expect(silent.stderr).toContain('no answer within 0.1 s')
    server.closeAllConnections()
    server.close()
  })

  test('needs no database', async () => {
    const result = await kiln(['health', '--url', 'http://127.0.0.1:1'], {
      DATABASE_URL: 'postgresql://nobody@127.0.0.1:1/none',
    })
    expect(result.exitCode).toBe(2)
    expect(result.stderr).not.toContain('database')
  })

  test('an address that is no URL is a wrong setting', async () => {
    expect((await kiln(['health', '--url', 'worker-3'])).exitCode).toBe(78)
  })
})

describe('kiln executor', () => {
  test('lists executors, drains one, and what is drained takes no job', async () => {
    const { service, url } = await startService(['--concurrency', '3'])
    await service.waitForOutput(/Job poller started/)
    const list = async (...flags: string[]) =>
      JSON.parse((await kiln(['executor', 'list', '--json', ...flags])).stdout).items as {
        id: string
        state: string
        pid: number
      }[]
    const [executor] = await list()
    expect(executor).toMatchObject({
      kind: 'service',
      state: 'alive',
      pid: service.pid,
      concurrency: 3,
      running_jobs: 0,
    })
    const id = executor?.id ?? ''
    const drained = await kiln(['executor', 'drain', id, '--json'])
    expect(drained.exitCode).toBe(0)
    expect(JSON.parse(drained.stdout).items).toMatchObject([{ id, state: 'draining' }])
    expect((await list())[0]?.state).toBe('draining')
    await waitUntil('it is not ready', async () => (await get(`${url}/readyz`)).status === 503)
    expect((await kiln(['executor', 'drain', id])).exitCode).toBe(0)
    const { rows } = await sql(`
      select action, target_id from analysis_audit_log where action = 'executor.drain'`)
    expect(rows).toEqual([{ action: 'executor.drain', target_id: id }])
    const job = await queueOver(url, 'quick')
    expect((await get(`${url}/jobs/${job}`)).body.status).toBe('pending')
    service.kill('SIGTERM')
    await service.exited
    expect((await kiln(['executor', 'drain', id])).exitCode).toBe(66)
    expect((await list('--all')).find((item) => item.id === id)?.state).toBe('stopped')
    await sql(`update analysis_jobs set status = 'cancelled' where id = '${job}'`)
  })

  test('shows the dead as dead', async () => {
    const { service } = await startService()
    await service.waitForOutput(/Job poller started/)
    service.kill('SIGKILL')
    await service.exited
    const { stdout } = await kiln(['executor', 'list', '--json'])
    const items = JSON.parse(stdout).items as { pid: number; state: string }[]
    expect(items.find(({ pid }) => pid === service.pid)?.state).toBe('dead')
  })

  test('drains none when one is not known', async () => {
    const { service } = await startService()
    await service.waitForOutput(/Job poller started/)
    const { stdout } = await kiln(['executor', 'list', '-o', 'name'])
    const [first = ''] = stdout.trim().split('\n')
    const result = await kiln(['executor', 'drain', first, 'nobody'])
    expect(result.exitCode).toBe(66)
    expect(result.stderr).toContain('nobody')
    const { rows } = await sql(`select is_draining from analysis_executors where id = '${first}'`)
    expect(rows).toEqual([{ is_draining: false }])
  })
})
