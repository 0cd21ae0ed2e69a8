import { spawnSync } from 'node:child_process'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type TestDatabase, createTestDatabase } from '../support/database.ts'
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

function runWithoutWalls(args: readonly string[], env: Readonly<Record<string, string>> = {}) {
  const all = { PATH: process.env['PATH'] ?? '', HOME: '/nonexistent', ...env }
  const options = { env: all, encoding: 'utf8' as const, timeout: 50_000 }
  return spawnSync('unshare', [...withoutWalls, binary, ...args], options)
}

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
    const { stdout, exitCode } = await runKiln(['sandbox', 'check', '--json'], { env })
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

  it.runIf(canTakeWallsAway)('is critical where scripts share our account', () => {
    const { stdout, stderr, status } = runWithoutWalls(['sandbox', 'check', '--json'])
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
  const script = path.resolve(import.meta.dirname, '../../examples/dry-spells.js')

  it.each([
    ['analysis', 'run', script, '--require-isolation'],
    ['serve-scheduler', '--once', '--no-http', '--require-isolation'],
  ])('refuses to work where scripts would share our account: %s', (...args) => {
    const { status, stderr } = runWithoutWalls([...args, '--json'], env)
    const line = stderr.split('\n').find((text) => text.startsWith('{"error"')) ?? ''
    expect(JSON.parse(line)).toMatchObject({ error: { code: 'ISOLATION_MISSING', exit_code: 78 } })
    expect(stderr).toContain('bwrap')
    expect(status).toBe(78)
  })

  it('works where another layer is there', async ({ skip }) => {
    const check = await runKiln(['sandbox', 'check', '--json'], { env })
    if ((JSON.parse(check.stdout) as Report).level === 'critical') return skip()
    const args = ['serve-scheduler', '--once', '--no-http', '--require-isolation']
    expect((await runKiln(args, { env })).exitCode).toBe(0)
    return undefined
  })
})
