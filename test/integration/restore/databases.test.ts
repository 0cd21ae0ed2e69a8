import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { readdir, rm } from 'node:fs/promises'
import path from 'node:path'
import { gzipSync } from 'node:zlib'
import { Header, type HeaderData, create } from 'tar'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { giveProjectDatabase } from '../../../src/core/executor/give-project-database.ts'
import { holdDatabase } from '../../../src/core/jobs/index.ts'
import { openDataFolder } from '../../../src/core/os/index.ts'
import {
  keptDatabases,
  planDatabases,
  restoreDatabases,
  undoDatabases,
} from '../../../src/core/restore/index.ts'
import { mark, unmark } from '../../../src/core/restore/files/journal.ts'
import { backUp, openBackup } from '../../support/backup.ts'
import { type TestContext, openTestContext } from '../../support/core-context.ts'
import { projectFile, readDatabase, writeDatabase } from '../../support/project-files.ts'

let core: TestContext
let dataDir: string
const odd = 'Ödd project/1'
const pool = () => core.context.database.pool
const contents = (projectId: string) => readDatabase(projectFile(dataDir, projectId), 'from sales')
const homeOf = async (projectId: string): Promise<string | null> => {
  const { rows } = await pool().query<{ home: string | null }>(
    'select home_folder as home from projects where id = $1',
    [projectId],
  )
  return rows[0]?.home ?? null
}
const sales = (value: number) => [
  'create or replace table sales (id int, name text)',
  `insert into sales values (${value}, 'a'), (null, '🔥')`,
]
const rowsOf = (value: number) => [
  [value, 'a'],
  [null, '🔥'],
]

beforeAll(async () => {
  core = await openTestContext()
  dataDir = core.context.settings.dataDir
  const folder = await openDataFolder(dataDir)
  await pool().query('insert into projects (id, home_folder) values ($1, $3), ($2, $3)', [
    'shop',
    odd,
    folder.id,
  ])
  for (const id of ['shop', odd]) await writeDatabase(projectFile(dataDir, id), ...sales(1))
})
afterAll(() => core.close())

describe('databases of a set', () => {
  it('may be none: nothing is changed', async () => {
    const empty = await openTestContext()
    try {
      await backUp(empty, { parts: ['duckdb'] })
      const set = await openBackup(empty)
      const source = { kind: 'set', set } as const
      expect(await restoreDatabases(empty.context, { source, waitMs: 0 })).toMatchObject({
        databases: [],
        rehomed: [],
      })
    } finally {
      await empty.close()
    }
  })

  it('take their places, for their owner alone, and go back with --rollback', async () => {
    await backUp(core, { parts: ['duckdb'] })
    const set = await openBackup(core)
    expect(set.manifest.status).toBe('complete')
    await writeDatabase(projectFile(dataDir, 'shop'), ...sales(2))
    await rm(path.dirname(projectFile(dataDir, odd)), { recursive: true })
    await writeDatabase(projectFile(dataDir, 'other'), ...sales(3))
    expect((await planDatabases(core.context, { kind: 'set', set })).databases).toMatchObject(
      [
        { projectId: 'shop', rows: 2, replacesBytes: expect.any(Number) as number },
        { projectId: odd, rows: 2, replacesBytes: null },
      ].toSorted((a, b) => (a.projectId < b.projectId ? -1 : 1)),
    )
    const restored = await restoreDatabases(core.context, {
      source: { kind: 'set', set },
      waitMs: 0,
    })
    expect(restored.databases.map(({ rows }) => rows)).toEqual([2, 2])
    expect(await contents('shop')).toEqual(rowsOf(1))
    expect(await contents(odd)).toEqual(rowsOf(1))
    expect(await contents('other')).toEqual(rowsOf(3))
    const file = projectFile(dataDir, 'shop')
    expect(statSync(file).mode & 0o777).toBe(0o600)
    expect(statSync(path.dirname(file)).mode & 0o777).toBe(0o700)
    expect(statSync(file).uid).toBe(statSync(dataDir).uid)

    expect(await undoDatabases(core.context, { waitMs: 0 })).toMatchObject({ outcome: 'undone' })
    expect(await contents('shop')).toEqual(rowsOf(2))
    expect(existsSync(projectFile(dataDir, odd))).toBe(false)
    await restoreDatabases(core.context, { source: { kind: 'set', set }, waitMs: 0 })
    expect(await keptDatabases(core.context, { id: undefined, drops: true })).toMatchObject([
      { sizeBytes: expect.any(Number) as number },
    ])
    expect(await readdir(path.join(dataDir, 'restore'))).toEqual([])
    await expect(undoDatabases(core.context, { waitMs: 0 })).rejects.toMatchObject({
      code: 'RESTORE_NOT_FOUND',
    })
  })

  it.each([
    ['a row less', { rows: 1 }],
    ['other values', { fingerprint: '1' }],
    ['another table', { name: 'purchases' }],
  ])('that open and hold %s than was saved are refused', async (_, change) => {
    await backUp(core, { parts: ['duckdb'] })
    const set = await openBackup(core)
    const table = set.manifest.duckdb[0]?.tables.find(({ name }) => name === 'sales')
    Object.assign(table ?? {}, change)
    const before = await contents('shop')
    await expect(
      restoreDatabases(core.context, { source: { kind: 'set', set }, waitMs: 0 }),
    ).rejects.toMatchObject({ code: 'BACKUP_DAMAGED', exitCode: 1 })
    expect(await contents('shop')).toEqual(before)
    expect(await readdir(path.join(dataDir, 'restore'))).toEqual([])
  })

  it('come to this folder from one where nobody runs any more', async () => {
    const set = await openBackup(core)
    await pool().query(`update projects set home_folder = 'gone' where id = 'shop'`)
    const restored = await restoreDatabases(core.context, {
      source: { kind: 'set', set },
      waitMs: 0,
    })
    expect(restored.rehomed).toEqual(['shop'])
    expect(await homeOf('shop')).toBe((await openDataFolder(dataDir)).id)
    await undoDatabases(core.context, { waitMs: 0 })
    expect(await homeOf('shop')).toBe('gone')
    await pool().query(`update projects set home_folder = null where id = 'shop'`)
  })

  it('wait for who has one of them, and touch none of them then', async () => {
    const set = await openBackup(core)
    await writeDatabase(projectFile(dataDir, odd), ...sales(7))
    const request = { projectId: 'shop', use: 'read', purpose: 'a test', waitMs: 0 } as const
    const hold = await holdDatabase(core.context, request)
    await expect(
      restoreDatabases(core.context, { source: { kind: 'set', set }, waitMs: 0 }),
    ).rejects.toMatchObject({ code: 'PROJECT_DATABASE_BUSY', exitCode: 75 })
    await hold.release()
    expect(await contents(odd)).toEqual(rowsOf(7))
    expect(await readdir(path.join(dataDir, 'restore'))).toEqual([])
  })

  it('are opened by nobody while a restore has not ended', async () => {
    mkdirSync(path.join(dataDir, 'restore'), { recursive: true })
    await mark(dataDir, 'x')
    await expect(giveProjectDatabase(projectFile(dataDir, 'shop'), false)).rejects.toMatchObject({
      code: 'PROJECT_DATABASE_BUSY',
    })
    await unmark(dataDir)
  })
})

/** A tar of entries as given, however hostile. */
function tarOf(
  entries: readonly (HeaderData & { readonly body?: Buffer })[],
  { isClosed = true } = {},
): Buffer {
  const blocks = entries.flatMap(({ body = Buffer.alloc(0), ...data }) => {
    const header = new Header({
      mode: 0o644,
      uid: 0,
      gid: 0,
      type: 'File',
      mtime: new Date(0),
      ...data,
      size: body.length,
    })
    const block = Buffer.alloc(512)
    header.encode(block, 0)
    return [block, body, Buffer.alloc((512 - (body.length % 512)) % 512)]
  })
  return Buffer.concat([...blocks, ...(isClosed ? [Buffer.alloc(1024)] : [])])
}

describe('databases of a tar', () => {
  const archive = (name: string, bytes: Buffer): string => {
    const file = path.join(core.folder.path, name)
    writeFileSync(file, bytes)
    return file
  }
  const restore = (file: string) =>
    restoreDatabases(core.context, { source: { kind: 'archive', file }, waitMs: 0 })
  const plan = (file: string) => planDatabases(core.context, { kind: 'archive', file })
  let database: Buffer
  beforeAll(async () => {
    const file = path.join(core.folder.path, 'made', 'databases', 'tarred', 'tarred.duckdb')
    await writeDatabase(file, ...sales(5))
    database = readFileSync(file)
  })

  it('as tar makes it of the folder, gzipped, take their places', async () => {
    const made = path.join(core.folder.path, 'made')
    writeFileSync(path.join(made, 'databases', 'README'), 'not one')
    await writeDatabase(path.join(made, 'databases', 'flat.duckdb'), ...sales(6))
    const hash = `x-${createHash('sha256').update(odd).digest('hex')}`
    await writeDatabase(path.join(made, 'databases', hash, `${hash}.duckdb`), ...sales(8))
    const file = path.join(core.folder.path, 'databases.tar.gz')
    await create({ gzip: true, file, cwd: made }, ['databases'])
    const planned = await plan(file)
    expect(planned.databases.map(({ projectId, rows }) => [projectId, rows])).toContainEqual([
      odd,
      2,
    ])
    const restored = await restore(file)
    expect(planned.skippedEntries).toBe(1)
    expect(restored.skippedEntries).toBe(1)
    expect(await contents('tarred')).toEqual(rowsOf(5))
    expect(await contents('flat')).toEqual(rowsOf(6))
    expect(await contents(odd)).toEqual(rowsOf(8))
    expect(await homeOf('flat')).toBe((await openDataFolder(dataDir)).id)
    const plain = archive('flat.tar', tarOf([{ path: './Flat.V2.duckdb', body: database }]))
    await restore(plain)
    expect(await contents('Flat.V2')).toEqual(rowsOf(5))
  })

  const link = { linkpath: '/etc/passwd' }
  it.each([
    ['a way out', { path: 'databases/../../evil.duckdb' }, /leads out/],
    ['an absolute path', { path: '/tmp/evil.duckdb' }, /leads out/],
    [
      'a symbolic link',
      { path: 'databases/evil.duckdb', type: 'SymbolicLink', ...link },
      /SymbolicLink/,
    ],
    ['a hard link', { path: 'databases/evil.duckdb', type: 'Link', ...link }, /but a Link/],
    [
      'a device',
      { path: 'databases/evil.duckdb', type: 'CharacterDevice', devmaj: 1, devmin: 5 },
      /CharacterDevice/,
    ],
    ['a pipe', { path: 'databases/evil', type: 'FIFO' }, /FIFO/],
    ['a backslash', { path: 'databases\\..\\evil.duckdb' }, /leads out/],
  ] as const)('with %s is refused, and nothing is changed', async (_name, entry, message) => {
    const before = await contents('tarred')
    const good = { path: 'databases/tarred.duckdb', body: database }
    const file = archive('evil.tar.gz', gzipSync(tarOf([good, entry as HeaderData])))
    for (const attempt of [restore, plan]) {
      await expect(attempt(file)).rejects.toMatchObject({
        code: 'BACKUP_DATA_INVALID',
        exitCode: 65,
        message: expect.stringMatching(message) as string,
      })
    }
    expect(await contents('tarred')).toEqual(before)
    expect(
      await readdir(path.join(dataDir, 'restore')).then((names) =>
        names.filter(
          (name) =>
            name.startsWith('archive') &&
            !existsSync(path.join(dataDir, 'restore', name, 'journal.json')),
        ),
      ),
    ).toEqual([])
    expect(existsSync('/tmp/evil.duckdb')).toBe(false)
  })

  it.each([
    [
      'what is no database',
      () => tarOf([{ path: 'databases/tarred.duckdb', body: Buffer.from('no') }]),
      /does not open/,
    ],
    [
      'a damaged database',
      () =>
        tarOf([
          {
            path: 'databases/tarred.duckdb',
            body: Buffer.concat([
              database.subarray(0, 9000),
              Buffer.alloc(4096, 7),
              database.subarray(13096),
            ]),
          },
        ]),
      /does not open/,
    ],
    [
      'one twice',
      () =>
        tarOf(
          ['a/databases/t.duckdb', 'databases/t.duckdb'].map((name) => ({
            path: name,
            body: database,
          })),
        ),
      /twice/,
    ],
    ['nothing', () => tarOf([{ path: 'README', body: Buffer.from('x') }]), /no databases/],
    [
      'no end',
      () => tarOf([{ path: 'databases/t.duckdb', body: database }], { isClosed: false }),
      /cut off/,
    ],
    [
      'a cut entry',
      () => tarOf([{ path: 'databases/t.duckdb', body: database }]).subarray(0, 5000),
      /damaged|cut off/,
    ],
    ['no tar', () => Buffer.alloc(4000, 65), /no tar/],
    [
      'an unknown hash',
      () => tarOf([{ path: `databases/x-${'0'.repeat(64)}.duckdb`, body: database }]),
      /no project has/,
    ],
  ] as const)('that holds %s is refused, and nothing is changed', async (_name, bytes, message) => {
    const before = await contents('tarred')
    const file = archive('bad.tar', bytes())
    for (const attempt of [restore, plan]) {
      await expect(attempt(file)).rejects.toMatchObject({
        code: 'BACKUP_DATA_INVALID',
        message: expect.stringMatching(message) as string,
      })
    }
    expect(await contents('tarred')).toEqual(before)
  })

  it('after all of that the next restore succeeds', async () => {
    symlinkSync('/etc', path.join(core.folder.path, 'made', 'link'))
    await restore(archive('good.tar', tarOf([{ path: 'databases/tarred.duckdb', body: database }])))
    expect(await contents('tarred')).toEqual(rowsOf(5))
  })
})
