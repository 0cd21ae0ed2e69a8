/** docs/database.md on a server that has nothing yet: its statements, its commands, and what it says of them. */
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import path from 'node:path'
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { ensurePrivatePostgres } from '../../src/core/database/private-postgres/index.ts'
import { type TemporaryFolder, createTemporaryFolder } from '../support/temporary-folder.ts'
import { databaseUrl, query } from '../support/test-server.ts'

const root = path.resolve(import.meta.dirname, '../..')
const read = (page: string) => readFileSync(path.join(root, 'docs', page), 'utf8')
const blocks = (language: string, page = read('database.md')) =>
  [...page.matchAll(new RegExp(`\`\`\`${language}\n([^]*?)\n\`\`\``, 'g'))].map(
    ([, text]) => text ?? '',
  )

let folder: TemporaryFolder
let superuser: string
beforeAll(async () => {
  folder = await createTemporaryFolder('roles')
  const server = await ensurePrivatePostgres({ dataDir: folder.path })
  superuser = databaseUrl(server.connectionString, 'postgres')
  // A private server comes with one.
  await query(superuser, 'drop database kiln')
})
afterAll(() => folder.remove())

/** Statement by statement: `create database` wants no transaction. */
async function run(block: string | undefined, database: string): Promise<void> {
  const client = new pg.Client({ connectionString: databaseUrl(superuser, database) })
  await client.connect()
  try {
    for (const statement of (block ?? '').split(/;\n|;$/)) await client.query(statement)
  } finally {
    await client.end()
  }
}

/** The commands of a block, with the test's server for `db.example`. */
function shell(block: string | undefined) {
  const server = new URLSearchParams(superuser.slice(superuser.indexOf('?')))
  const script = (block ?? '').replaceAll(
    '@db.example/kiln',
    `@/kiln?host=${encodeURIComponent(server.get('host') ?? '')}\\&port=${server.get('port')}`,
  )
  const { status, stdout, stderr } = spawnSync('bash', ['--norc', '-eu', '-c', script], {
    cwd: root,
    encoding: 'utf8',
    env: {
      PATH: `${path.join(root, 'bin')}:${process.env.PATH}`,
      HOME: folder.path,
      ANALYSIS_DATA_DIR: path.join(folder.path, 'data'),
    },
  })
  return { status, stdout, stderr }
}

/** The URL of a role in the database of Kiln, or another. */
const urlOf = (role: string, database = 'kiln') =>
  databaseUrl(superuser, database).replace(/\/\/([^/@]*@)?/, `//${role}:any@`)

describe('docs/database.md', () => {
  const [roles, schema, later, sessions] = blocks('sql')
  const [data] = blocks('sql', read('datasources.md'))
  const [migrate, service, reader] = blocks('bash')

  it('makes roles and database, and the owner migrates', async () => {
    await run(roles, 'postgres')
    await run(schema, 'kiln')
    expect(shell(migrate)).toMatchObject({ status: 0 })
    // They change nothing where the defaults were there first.
    await run(later, 'kiln')
  })

  it('the service works under its role, and may not change tables', async () => {
    const { status, stdout, stderr } = shell(service)
    expect(status, `${stdout}${stderr}`).toBe(0)
    const work = [
      'kiln analysis run dry-spells --detach -q',
      `kiln schedule set dry-spells --cron '@daily' -q`,
      'kiln serve-scheduler --once --no-http',
      'kiln job cancel --status pending --yes -q',
      'kiln cleanup --older-than 1d -q',
      'kiln audit verify --seal -q',
      'kiln analysis delete dry-spells --yes -q',
    ]
    const url = /^export .*$/m.exec(service ?? '')?.[0]
    const worked = shell([url, ...work].join('\n'))
    expect(worked.status, worked.stderr).toBe(0)
    await expect(query(urlOf('kiln_service'), 'create table mine ()')).rejects.toThrow('permission')
    await expect(query(urlOf('kiln_service'), 'drop table analyses')).rejects.toThrow('owner')
  })

  it('the service sees what other sessions do once it may', async () => {
    const other = new pg.Client({ connectionString: databaseUrl(superuser, 'kiln') })
    await other.connect()
    const url = /^export .*$/m.exec(service ?? '')?.[0]
    const look = () => shell(`${url}\nkiln doctor --only postgres.old-snapshots`).stdout
    const before = look()
    await run(sessions, 'postgres')
    const after = look()
    await other.end()
    expect(before).toMatch(/skipped .* grant pg_read_all_stats to kiln_service/)
    expect(after).toMatch(/ok +postgres.old-snapshots/)
  })

  it('the reader reads and cannot write', async () => {
    expect(shell(reader)).toMatchObject({ status: 0 })
    for (const statement of [
      'update analyses set title = title',
      'delete from analysis_jobs',
      'create table mine ()',
      'create temporary table mine ()',
    ]) {
      await expect(query(urlOf('kiln_viewer'), statement)).rejects.toThrow('permission')
    }
  })

  it('the role of datasources reads what it was granted, and nothing of Kiln', async () => {
    await query(superuser, 'create database orders')
    await query(databaseUrl(superuser, 'orders'), 'create table sales as select 1 as amount')
    await run(data, 'orders')
    const url = urlOf('kiln_reader', 'orders')
    expect((await query(url, 'select amount from sales')).rows).toEqual([{ amount: 1 }])
    for (const statement of [
      'delete from sales',
      'create table mine ()',
      'create temporary table mine ()',
    ]) {
      await expect(query(url, statement)).rejects.toThrow(/read-only|permission/)
    }
    await expect(query(urlOf('kiln_reader'), 'select 1')).rejects.toThrow('permission')
  })
})
