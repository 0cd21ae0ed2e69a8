import { readFile, readdir, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type TestDatabase, createTestDatabase } from '../support/database.ts'
import { type KilnOptions, type KilnResult, runKiln, startKiln } from '../support/kiln.ts'
import { type TemporaryFolder, createTemporaryFolder } from '../support/temporary-folder.ts'

const canary = 'c4nary-s3cret'
const url = `postgresql://reader:${canary}@127.0.0.1:1/orders`

let database: TestDatabase
let folder: TemporaryFolder
const outputs: string[] = []
beforeAll(async () => {
  database = await createTestDatabase()
  folder = await createTemporaryFolder('datasource')
  await writeFile(path.join(folder.path, 'flights.csv'), 'day,delay\n2026-01-01,5\n')
  await writeFile(path.join(folder.path, 'url'), `${url}\n`)
})
afterAll(async () => {
  await database.drop()
  await folder.remove()
})

async function datasource(args: readonly string[], options: KilnOptions = {}): Promise<KilnResult> {
  const result = await runKiln(['datasource', ...args], {
    cwd: folder.path,
    ...options,
    env: {
      DATABASE_URL: database.connectionString,
      ANALYSIS_DATA_DIR: path.join(folder.path, 'data'),
      ...options.env,
    },
  })
  outputs.push(result.stdout, result.stderr)
  return result
}

const added = async (name: string, ...flags: string[]): Promise<KilnResult> =>
  datasource(['add', name, ...flags])

describe('kiln datasource add', () => {
  it('stores a URL from standard input without a warning, and shows where it leads', async () => {
    const args = ['add', 'orders', '--type', 'postgres', '--url', '-']
    const result = await datasource(args, { input: `${url}\n` })
    expect(result).toMatchObject({ exitCode: 0, stderr: '' })
    expect(result.stdout).toMatch(/^host {8}127\.0\.0\.1$/m)
    expect(result.stdout).toMatch(/^user {8}reader$/m)
    expect(result.stdout).toMatch(/^secret {6}encrypted$/m)
  })

  it('warns of a password on the command line, and takes it off the process list', async () => {
    const args = ['datasource', 'add', 'seen', '--type', 'postgres', '--url', url]
    // An open pipe to a database that never answers keeps the command in view.
    const kiln = startKiln(args, {
      env: { DATABASE_URL: 'postgresql://192.0.2.1/none' },
    })
    const warning = await kiln.waitForOutput(/^warning: .*\n/m)
    const commandLine = await readFile(`/proc/${kiln.pid}/cmdline`, 'utf8').catch(() => '')
    kiln.kill('SIGKILL')
    outputs.push(kiln.stdout, kiln.stderr, commandLine)
    await kiln.exited
    expect(warning[0]).toContain('--url-env')
  })

  it('prints the row as JSON', async () => {
    const result = await added('j', '--type', 'postgres', '--url-file', 'url', '--json')
    expect(result.exitCode).toBe(0)
    const row = JSON.parse(result.stdout)
    expect(Object.keys(row)).toEqual([
      'id',
      'project_id',
      'name',
      'type',
      'secret',
      'host',
      'port',
      'database',
      'user',
      'key_id',
      'created_by',
      'created_at',
      'updated_at',
    ])
    expect(row).toMatchObject({
      project_id: 'default',
      name: 'j',
      type: 'postgres',
      secret: `file ${path.join(folder.path, 'url')}`,
      host: '127.0.0.1',
      port: 1,
      key_id: null,
    })
  })

  it('takes a variable that is set elsewhere, and says so', async () => {
    const result = await added('v', '--type', 'postgres', '--url-env', 'ORDERS_URL')
    expect(result.exitCode).toBe(0)
    expect(result.stderr).toContain('the URL cannot be read here')
    const shown = await datasource(['show', 'v', '--json'], { env: { ORDERS_URL: url } })
    expect(JSON.parse(shown.stdout)).toMatchObject({
      secret: 'variable ORDERS_URL',
      user: 'reader',
    })
  })

  it.each<[string, string[], number, RegExp]>([
    ['no source', ['--type', 'postgres'], 64, /needs one of --url-env, --url-file and --url/],
    ['two sources', ['--type', 'postgres', '--url', url, '--url-env', 'X'], 64, /needs one of/],
    ['a path for a Postgres', ['--type', 'postgres', '--path', 'x'], 64, /--path does not go with/],
    [
      'a URL for a file',
      ['--type', 'file', '--url', url],
      64,
      /--url does not go with --type file/,
    ],
    ['no path', ['--type', 'file'], 64, /--type file needs --path/],
    [
      'a URL as a variable',
      ['--type', 'postgres', '--url-env', url],
      64,
      /takes the name of a variable/,
    ],
    ['a URL without its flag', [url, '--type', 'postgres'], 64, /unexpected argument/],
    [
      'a URL of another kind',
      ['--type', 'postgres', '--url', `mysql://u:${canary}@h/d`],
      65,
      /is not a Postgres URL/,
    ],
    ['an unknown type', ['--type', 'mysql'], 64, /postgres/],
    ['a missing file', ['--type', 'file', '--path', 'none.csv'], 66, /no such file/],
    ['an unknown format', ['--type', 'file', '--path', 'url'], 65, /does not tell its format/],
    [
      'a file elsewhere',
      ['--type', 'file', '--path', '/etc/passwd', '--format', 'csv'],
      77,
      /not under an allowed folder/,
    ],
  ])('refuses %s', async (_, flags, exitCode, message) => {
    const result = await added('refused', ...flags)
    expect(result).toMatchObject({ exitCode, stdout: '' })
    expect(result.stderr).toMatch(message)
    const lines = result.stderr
      .trimEnd()
      .split('\n')
      .filter((line) => !line.startsWith('warning:'))
    expect(lines.length).toBeLessThanOrEqual(3)
    const asJson = await added('refused', ...flags, '--json')
    expect(asJson).toMatchObject({ exitCode, stdout: '' })
  })

  it('refuses a name that is taken', async () => {
    await added('twice', '--type', 'file', '--path', 'flights.csv')
    const result = await added('twice', '--type', 'file', '--path', 'flights.csv')
    expect(result.exitCode).toBe(65)
    expect(result.stderr).toBe(
      'error: project "default" has a datasource "twice" [DATASOURCE_EXISTS]\nhint: remove it first: kiln datasource remove twice --project default\n',
    )
  })
})

describe('kiln datasource list, show, test, remove', () => {
  it('lists, with where each is', async () => {
    const project = ['--project', 'list']
    await added('flights', '--type', 'file', '--path', 'flights.csv', ...project)
    await datasource(['add', 'orders', '--type', 'postgres', '--url', '-', ...project], {
      input: url,
    })
    const table = await datasource(['list', ...project])
    expect(table.stdout).toMatch(
      /^NAME {5}PROJECT {2}TYPE {6}WHERE.*\nflights .*flights\.csv.*\norders .*127\.0\.0\.1:1\/orders/,
    )
    const { items, next_cursor: cursor } = JSON.parse(
      (await datasource(['list', ...project, '--json'])).stdout,
    )
    expect(items.map(({ name }: { name: string }) => name)).toEqual(['flights', 'orders'])
    expect(cursor).toBeNull()
    expect((await datasource(['list', ...project, '-o', 'name'])).stdout).toBe('flights\norders\n')
    const none = await datasource(['list', '--project', 'none'])
    expect(none).toMatchObject({ exitCode: 0, stdout: '', stderr: 'no datasources\n' })
  })

  it('tests a file: its columns', async () => {
    await added('columns', '--type', 'file', '--path', 'flights.csv')
    const result = await datasource(['test', 'columns', '--json'])
    expect(JSON.parse(result.stdout)).toEqual({
      name: 'columns',
      type: 'file',
      ok: true,
      files: 1,
      size_bytes: 23,
      columns: [
        { name: 'day', type: 'DATE' },
        { name: 'delay', type: 'BIGINT' },
      ],
    })
    expect((await datasource(['test', 'columns'])).stdout).toMatch(
      /^columns {5}day date, delay bigint$/m,
    )
  })

  it('tests a Postgres: its version, and a warning for a role that could write', async () => {
    const args = ['add', 'self', '--type', 'postgres', '--url', '-']
    await datasource(args, { input: database.connectionString })
    const result = await datasource(['test', 'self', '--json'])
    expect(result.exitCode).toBe(0)
    expect(JSON.parse(result.stdout)).toMatchObject({
      ok: true,
      database: database.name,
      write_privileges: ['is superuser'],
      latency_ms: expect.any(Number),
    })
    expect(result.stderr).toMatch(
      /^warning: the role ".*" is superuser: give scripts a role that only reads\n$/,
    )
  })

  it('tells that a Postgres is away, with 69', async () => {
    await datasource(['add', 'away', '--type', 'postgres', '--url', '-'], { input: url })
    const result = await datasource(['test', 'away'])
    expect(result).toMatchObject({ exitCode: 69, stdout: '' })
    expect(result.stderr).toMatch(
      /^error: .*datasource "away".*\[DATASOURCE_UNAVAILABLE\]\nhint: .*\n$/,
    )
  })

  it('names the key of a stored URL that is not here, with 78', async () => {
    await datasource(['add', 'keyed', '--type', 'postgres', '--url', '-'], { input: url })
    const env = { ANALYSIS_DATA_DIR: path.join(folder.path, 'other') }
    const result = await datasource(['test', 'keyed'], { env })
    expect(result).toMatchObject({ exitCode: 78, stdout: '' })
    expect(result.stderr).toContain('[DATASOURCE_KEY_MISSING]')
    const shown = await datasource(['show', 'keyed'], { env })
    expect(shown.stdout).toMatch(/^host {8}127\.0\.0\.1$/m)
  })

  it('removes', async () => {
    await added('old', '--type', 'file', '--path', 'flights.csv')
    expect(await datasource(['remove', 'old'])).toMatchObject({
      exitCode: 0,
      stdout: 'removed old\n',
      stderr: '',
    })
    const again = await datasource(['remove', 'old', '--json'])
    expect(again).toMatchObject({ exitCode: 66, stdout: '' })
    expect(JSON.parse(again.stderr).error.code).toBe('DATASOURCE_NOT_FOUND')
    expect((await datasource(['show', 'old'])).exitCode).toBe(66)
  })
})

// Last, over everything the commands above printed and left behind.
it('never prints or writes the secret', async () => {
  expect(outputs.length).toBeGreaterThan(50)
  expect(outputs.filter((text) => text.includes(canary))).toEqual([])
  const left = await readdir(path.join(folder.path, 'data'), { recursive: true })
  for (const name of left.filter((one) => path.extname(one) !== '')) {
    const file = path.join(folder.path, 'data', name)
    expect(await readFile(file, 'utf8').catch(() => '')).not.toContain(canary)
  }
})
