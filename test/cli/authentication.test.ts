/** A server that asks for passwords; the shared one trusts local connections. */
import { appendFileSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import pg from 'pg'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { ensurePrivatePostgres } from '../../src/core/database/private-postgres/index.ts'
import { runKiln } from '../support/kiln.ts'
import { type TemporaryFolder, createTemporaryFolder } from '../support/temporary-folder.ts'

const password = 'right-canary-31'
const wrong = 'wrong-canary-32'
let folder: TemporaryFolder
let url: (user: string, password: string) => string
beforeAll(async () => {
  folder = await createTemporaryFolder('password')
  const server = await ensurePrivatePostgres({
    dataDir: folder.path,
    overrides: { serverSettings: { fsync: 'off' } },
  })
  const client = new pg.Client(server.connectionString)
  await client.connect()
  await client.query(`create role guarded login password '${password}'`)
  await client.query(`create role locked_out login password '${password}'`)
  const { rows } = await client.query<{ file: string; database: string }>(
    `select current_setting('hba_file') as file, current_database() as database`,
  )
  const [{ file, database } = { file: '', database: '' }] = rows
  const rules = 'local all guarded scram-sha-256\nlocal all locked_out reject\n'
  writeFileSync(file, rules + readFileSync(file, 'utf8'))
  await client.query('select pg_reload_conf()')
  const { host } = client
  await client.end()
  url = (user, secret) =>
    `postgresql://${user}:${secret}@/${database}?host=${encodeURIComponent(host)}&port=${client.port}`
})
afterAll(() => folder.remove())

it.each([
  ['a wrong password', () => url('guarded', wrong), 77, 'DATABASE_AUTHENTICATION_FAILED'],
  [
    'a user that pg_hba.conf rejects',
    () => url('locked_out', password),
    77,
    'DATABASE_AUTHENTICATION_FAILED',
  ],
  ['a right password and no schema', () => url('guarded', password), 78, 'SCHEMA_MISSING'],
])('%s is told in one to three lines', async (_name, connection, exitCode, code) => {
  const script = path.join(folder.path, 'script.js')
  appendFileSync(script, '')
  for (const args of [
    ['job', 'list'],
    ['analysis', 'run', 'name'],
    ['analysis', 'run', script],
  ]) {
    const env = { DATABASE_URL: connection() }
    const [text, json] = await Promise.all([
      runKiln(args, { env }),
      runKiln([...args, '--json'], { env }),
    ])
    expect(text).toMatchObject({ exitCode, stdout: '' })
    expect(json).toMatchObject({ exitCode, stdout: '' })
    expect(text.stderr.trim().split('\n').length).toBeLessThanOrEqual(3)
    expect(JSON.parse(json.stderr)).toMatchObject({ error: { code, exit_code: exitCode } })
    expect(text.stderr + json.stderr).not.toMatch(/canary|node:internal/)
  }
})
