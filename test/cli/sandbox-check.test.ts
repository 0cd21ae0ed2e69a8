import { execFile, spawnSync } from 'node:child_process'
import { writeFile } from 'node:fs/promises'
import { type AddressInfo, type Server, connect, createServer } from 'node:net'
import path from 'node:path'
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type TestDatabase, createTestDatabase, secretSettings } from '../support/database.ts'
import { runKiln } from '../support/kiln.ts'
import { type TemporaryFolder, createTemporaryFolder } from '../support/temporary-folder.ts'

const binary = path.resolve(import.meta.dirname, '../../bin/kiln')

interface Report {
  readonly level: string
  readonly account: string
  readonly view: string
  readonly items: { name: string; state: string; level: string; evidence: string }[]
}

/** Root of a user namespace of its own, which has no other account and may make no namespace. */
const withoutWalls = [
  '-Ur',
  'sh',
  '-c',
  'echo 0 > /proc/sys/user/max_user_namespaces; exec "$0" "$@"',
]
const canTakeWallsAway =
  process.platform === 'linux' &&
  spawnSync('unshare', [...withoutWalls, 'true'], { stdio: 'ignore' }).status === 0

interface Ended {
  readonly status: number
  readonly stdout: string
  readonly stderr: string
}

function runWithoutWalls(
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<Ended> {
  const all = { PATH: process.env['PATH'] ?? '', HOME: '/nonexistent', ...env }
  return new Promise((resolve) => {
    const words = [...withoutWalls, binary, ...args]
    const child = execFile(
      'unshare',
      words,
      { env: all, timeout: 110_000 },
      (_error, ...output) => {
        resolve({ status: child.exitCode ?? -1, stdout: output[0], stderr: output[1] })
      },
    )
  })
}

/** A port that leads to a server's socket, which that root may not open. */
async function openPort(connectionString: string): Promise<{ server: Server; url: string }> {
  const { host, port, user = '', database: name = '' } = new pg.Client({ connectionString })
  const server = createServer((client) => {
    const upstream = host.startsWith('/')
      ? connect(path.join(host, `.s.PGSQL.${port}`))
      : connect(port, host)
    client.on('error', () => upstream.destroy()).pipe(upstream)
    upstream.on('error', () => client.destroy()).pipe(client)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address() as AddressInfo
  return { server, url: `postgresql://${user}@127.0.0.1:${address.port}/${name}` }
}

const canary = 'canary-2f6a81d5'
let folder: TemporaryFolder
let database: TestDatabase
let env: Record<string, string>
beforeAll(async () => {
  folder = await createTemporaryFolder('walls')
  database = await createTestDatabase()
  env = {
    DATABASE_URL: database.connectionString,
    ANALYSIS_DATA_DIR: path.join(folder.path, 'data'),
  }
})
afterAll(async () => {
  await database.drop()
  await folder.remove()
})

describe('sandbox check', () => {
  it('tries every layer, and its exit code is the worst of them', async () => {
    const { stdout, stderr, exitCode } = await runKiln(['sandbox', 'check', '--json'], {
      env: { ...env, ...secretSettings(database.connectionString, canary) },
    })
    expect(stdout + stderr).not.toContain(canary)
    const report = JSON.parse(stdout) as Report
    expect(exitCode).toBe({ ok: 0, warning: 1, critical: 2 }[report.level])
    const names = report.items.map(({ name }) => name)
    expect(names).toEqual([
      'isolate',
      'time',
      'watchdog',
      'memory',
      'environment',
      'account',
      'view',
      'privileges',
      'files',
      'network',
      'processes',
      'programs',
      'kernel memory',
      'kernel CPU',
      'duckdb',
    ])
    const state = Object.fromEntries(report.items.map((layer) => [layer.name, layer.state]))
    for (const name of ['isolate', 'time', 'watchdog', 'memory', 'environment']) {
      expect(state[name], name).toBe('active')
    }
    if (process.platform !== 'linux') return
    expect(state).toMatchObject({ 'kernel memory': 'active', 'kernel CPU': 'active' })
    const hasView = report.view !== 'none'
    for (const name of ['files', 'network', 'processes', 'programs']) {
      if (hasView) expect(state[name], name).toBe('active')
    }
  })

  it.runIf(canTakeWallsAway)('is critical where scripts share our account', async () => {
    const { stdout, stderr, status } = await runWithoutWalls(['sandbox', 'check', '--json'])
    const report = JSON.parse(stdout) as Report
    expect(status).toBe(2)
    expect(report).toMatchObject({ level: 'critical', account: 'shared', view: 'none' })
    const open = report.items.filter(({ state }) => state !== 'active').map(({ name }) => name)
    expect(open).toEqual(
      expect.arrayContaining(['account', 'view', 'files', 'network', 'processes', 'programs']),
    )
    expect(stderr).toContain('bubblewrap')
  })
})

describe.runIf(canTakeWallsAway)('--require-isolation', () => {
  it.each([
    'analysis run script.js --require-isolation',
    'serve-scheduler --once --no-http --require-isolation',
  ])('refuses to work where scripts would share our account: %s', async (line) => {
    await writeFile(path.join(folder.path, 'script.js'), 'export default () => 1')
    const args = line.replace('script.js', path.join(folder.path, 'script.js')).split(' ')
    const port = await openPort(database.connectionString)
    const { status, stderr } = await runWithoutWalls([...args, '--json'], {
      ...env,
      DATABASE_URL: port.url,
    })
    port.server.close()
    const error = stderr.split('\n').find((text) => text.startsWith('{"error"')) ?? ''
    expect(JSON.parse(error)).toMatchObject({ error: { code: 'ISOLATION_MISSING', exit_code: 78 } })
    // Whichever of the two is installed, or that neither is.
    expect(stderr).toMatch(/bwrap|unshare/)
    expect(status).toBe(78)
  })

  it('works where another layer is there', async ({ skip }) => {
    const check = await runKiln(['sandbox', 'check', '-q'], { env })
    expect(check.stdout).toBe('')
    if (check.exitCode === 2) return skip()
    if (check.exitCode === 0) expect(check.stderr).toBe('')
    const args = ['serve-scheduler', '--once', '--no-http', '--require-isolation']
    expect((await runKiln(args, { env })).exitCode).toBe(0)
    return undefined
  })
})
