import { createHash } from 'node:crypto'
import { chmod, mkdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import {
  type DatasourceSource,
  addDatasource,
  describePlace,
  getDatasource,
  listDatasources,
  removeDatasource,
  resolveDatasource,
  testDatasource,
} from '../../../src/core/datasources/index.ts'
import { ensureSecretKey, keyFileOf } from '../../../src/core/datasources/secret-key.ts'
import { parseDatabaseUrl } from '../../../src/core/database/index.ts'
import { type TestContext, openTestContext } from '../../support/core-context.ts'

const url = 'postgresql://reader:c4nary-s3cret@db.example:5433/orders'

let test: TestContext
let roots: string
beforeAll(async () => {
  test = await openTestContext({ ANALYSIS_FILE_ROOTS: 'set below' })
  roots = path.join(test.folder.path, 'allowed')
  await mkdir(roots)
  const settings = { ...test.context.settings, allowedFileRoots: [roots] }
  test = { ...test, context: { ...test.context, settings } }
})
afterAll(() => test.close())

const add = (projectId: string, name: string, source: DatasourceSource) =>
  addDatasource(test.context, { projectId, name, source })

const audit = (action: string) =>
  test.context.database.queries
    .selectFrom('analysisAuditLog')
    .selectAll()
    .where('action', '=', action)
    .orderBy('id', 'desc')
    .executeTakeFirstOrThrow()

async function write(name: string, content: string | Uint8Array = 'a,b\n1,2\n'): Promise<string> {
  const file = path.join(roots, name)
  await mkdir(path.dirname(file), { recursive: true })
  await writeFile(file, content)
  return file
}

describe('a stored URL', () => {
  it('is encrypted in the row, found again, and described without its password', async () => {
    const added = await add('stored', 'orders', { type: 'postgres', url })
    const place = { host: 'db.example', port: 5433, database: 'orders', user: 'reader' }
    expect(await describePlace(test.context, added)).toEqual(place)
    expect(await resolveDatasource(test.context, 'stored', 'orders')).toEqual({
      type: 'postgres',
      connectionString: url,
    })
    const { rows } = await test.context.database.pool.query<{ dump: string }>(`
      select (
        select string_agg(to_jsonb(d)::text, '') from analysis_datasources d
      ) || (
        select string_agg(to_jsonb(a)::text, '') from analysis_audit_log a
      ) as dump
    `)
    expect(rows[0]?.dump).toContain('db.example')
    expect(rows[0]?.dump).not.toContain('c4nary')
    // Nor in hexadecimal, as bytea is shown.
    expect(rows[0]?.dump).not.toContain(Buffer.from('c4nary').toString('hex'))
  })

  it('has a key file that only its owner may read, named by a hash', async () => {
    const { dataDir } = test.context.settings
    const file = keyFileOf(dataDir)
    expect((await stat(file)).mode & 0o777).toBe(0o600)
    expect((await stat(path.dirname(file))).mode & 0o777).toBe(0o700)
    const bytes = Buffer.from((await readFile(file, 'utf8')).trim(), 'hex')
    expect(bytes).toHaveLength(32)
    const { keyId } = await getDatasource(test.context, 'stored', 'orders')
    expect(keyId).toBe(createHash('sha256').update(bytes).digest('hex').slice(0, 16))
  })

  it('names the key that is missing, or another', async () => {
    const { keyId } = await getDatasource(test.context, 'stored', 'orders')
    const elsewhere = (dataDir: string) => ({
      ...test.context,
      settings: { ...test.context.settings, dataDir },
    })
    const empty = elsewhere(path.join(test.folder.path, 'empty'))
    await expect(resolveDatasource(empty, 'stored', 'orders')).rejects.toMatchObject({
      code: 'DATASOURCE_KEY_MISSING',
      exitCode: 78,
      message: expect.stringContaining(String(keyId)),
    })
    const other = elsewhere(path.join(test.folder.path, 'other'))
    const { id } = await ensureSecretKey(other.settings.dataDir)
    await expect(resolveDatasource(other, 'stored', 'orders')).rejects.toMatchObject({
      code: 'DATASOURCE_KEY_MISSING',
      message: expect.stringMatching(new RegExp(`is key ${id}.*needs key ${keyId}`)),
    })
    await writeFile(keyFileOf(other.settings.dataDir), 'no key')
    await expect(ensureSecretKey(other.settings.dataDir)).rejects.toMatchObject({
      code: 'DATASOURCE_KEY_MISSING',
    })
  })

  it('is refused in another row', async () => {
    await add('stored', 'copy', { type: 'postgres', url: 'postgresql://x@y/z' })
    await test.context.database.pool.query(`
      update analysis_datasources copy set encrypted_secret = original.encrypted_secret
      from analysis_datasources original
      where copy.name = 'copy' and original.name = 'orders'
    `)
    await expect(resolveDatasource(test.context, 'stored', 'copy')).rejects.toMatchObject({
      code: 'DATASOURCE_INVALID',
    })
  })

  it('makes one key when many need it at once', async () => {
    const dataDir = path.join(test.folder.path, 'race')
    const keys = await Promise.all(Array.from({ length: 20 }, () => ensureSecretKey(dataDir)))
    expect(new Set(keys.map(({ id }) => id)).size).toBe(1)
  })

  it('is not stored when it is none, and not repeated', async () => {
    await expect(
      add('stored', 'bad', { type: 'postgres', url: 'http://u:c4nary@h/d' }),
    ).rejects.toMatchObject({
      code: 'DATASOURCE_INVALID',
      message: 'the URL of datasource "bad" is not a Postgres URL',
    })
  })
})

describe('a reference', () => {
  it('is read from its file when it is used', async () => {
    const file = path.join(test.folder.path, 'url')
    await writeFile(file, `${url}\n`)
    const added = await add('reference', 'orders', { type: 'postgres', urlFile: file })
    expect(added.config).toEqual({ type: 'postgres', secret: { kind: 'file', path: file } })
    expect(await resolveDatasource(test.context, 'reference', 'orders')).toEqual({
      type: 'postgres',
      connectionString: url,
    })
    await writeFile(file, 'c4nary')
    await expect(resolveDatasource(test.context, 'reference', 'orders')).rejects.toMatchObject({
      code: 'DATASOURCE_INVALID',
      message: `the file ${file} of datasource "orders" is not a Postgres URL`,
    })
    await rm(file)
    await expect(resolveDatasource(test.context, 'reference', 'orders')).rejects.toMatchObject({
      code: 'DATASOURCE_UNAVAILABLE',
      message: `datasource "orders" cannot read its secret: no such file: ${file}`,
    })
    await expect(
      add('reference', 'gone', { type: 'postgres', urlFile: file }),
    ).rejects.toMatchObject({ code: 'FILE_NOT_FOUND' })
  })

  it('is read from its variable when it is used', async () => {
    const variable = 'KILN_TEST_DATASOURCE_URL'
    await add('reference', 'variable', { type: 'postgres', urlVariable: variable })
    await expect(resolveDatasource(test.context, 'reference', 'variable')).rejects.toMatchObject({
      code: 'DATASOURCE_UNAVAILABLE',
      exitCode: 69,
      message: `datasource "variable" needs the variable ${variable}, which is not set`,
    })
    process.env[variable] = 'postgresql+asyncpg://u:p@h/d'
    try {
      expect(await resolveDatasource(test.context, 'reference', 'variable')).toEqual({
        type: 'postgres',
        connectionString: 'postgresql://u:p@h/d',
      })
    } finally {
      delete process.env[variable]
    }
  })

  it('does not repeat a URL that was given as the name of a variable', async () => {
    const source = { type: 'postgres', urlVariable: url } as const
    await expect(add('reference', 'slip', source)).rejects.toThrow(
      /^--url-env takes the name of a variable$/,
    )
  })
})

describe('files', () => {
  it('are real paths under an allowed folder, sorted', async () => {
    const b = await write('glob/b.csv')
    const a = await write('glob/a.csv')
    await write('glob/.hidden.csv')
    await mkdir(path.join(roots, 'glob/folder.csv'))
    const added = await add('files', 'all', {
      type: 'file',
      path: path.join(roots, 'glob/*.csv'),
      format: undefined,
    })
    expect(added.config).toMatchObject({ type: 'file', format: 'csv' })
    expect(await resolveDatasource(test.context, 'files', 'all')).toEqual({
      type: 'file',
      files: [a, b],
      format: 'csv',
    })
  })

  it('whose names look like a glob are themselves', async () => {
    const file = await write('odd [1].csv')
    await write('odd 1.csv')
    await add('files', 'odd', { type: 'file', path: file, format: undefined })
    expect(await resolveDatasource(test.context, 'files', 'odd')).toMatchObject({ files: [file] })
  })

  it.each([
    ['/etc/passwd', 'PERMISSION_DENIED'],
    ['/etc/*.conf', 'PERMISSION_DENIED'],
    ['allowed/../outside.csv', 'PERMISSION_DENIED'],
    ['allowed/link.csv', 'PERMISSION_DENIED'],
    ['allowed/linked/outside.csv', 'PERMISSION_DENIED'],
    ['allowed-too/x.csv', 'PERMISSION_DENIED'],
    ['data/keys/datasources.key', 'PERMISSION_DENIED'],
    ['allowed/none.csv', 'FILE_NOT_FOUND'],
    ['allowed/none-*.csv', 'FILE_NOT_FOUND'],
    ['allowed/glob', 'FILE_NOT_FOUND'],
  ])('are refused: %s', async (file, code) => {
    const { path: folder } = test.folder
    await writeFile(path.join(folder, 'outside.csv'), 'secret')
    await symlink(path.join(folder, 'outside.csv'), path.join(roots, 'link.csv')).catch(
      () => undefined,
    )
    await symlink(folder, path.join(roots, 'linked')).catch(() => undefined)
    await mkdir(path.join(folder, 'allowed-too'), { recursive: true })
    await writeFile(path.join(folder, 'allowed-too/x.csv'), 'x')
    const source = { type: 'file', path: path.resolve(folder, file), format: 'csv' } as const
    await expect(add('files', 'refused', source)).rejects.toMatchObject({ code })
  })

  it('are checked again when they are used', async () => {
    const file = await write('later.csv')
    await add('files', 'later', { type: 'file', path: file, format: undefined })
    await rm(file)
    await symlink('/etc/passwd', file)
    await expect(resolveDatasource(test.context, 'files', 'later')).rejects.toMatchObject({
      code: 'DATASOURCE_UNAVAILABLE',
      message: `datasource "later": ${file} (it leads to /etc/passwd) is not under an allowed folder`,
    })
    const { rows } = await test.context.database.pool.query(
      `update analysis_datasources set config = '{"path": "/etc/passwd", "format": "csv"}'
       where name = 'later' returning id`,
    )
    expect(rows).toHaveLength(1)
    await expect(resolveDatasource(test.context, 'files', 'later')).rejects.toMatchObject({
      code: 'DATASOURCE_UNAVAILABLE',
    })
  })
})

describe('testDatasource', () => {
  it('tells version, role and what it may write of a Postgres', async () => {
    const { pool } = test.context.database
    await pool.query(`create role kiln_reader_${test.database.name} login password 'c4nary'`)
    try {
      const admin = parseDatabaseUrl(test.database.connectionString)
      const reader = new URL(admin)
      reader.username = `kiln_reader_${test.database.name}`
      reader.password = 'c4nary'
      await add('try', 'admin', { type: 'postgres', url: admin.href })
      await add('try', 'reader', { type: 'postgres', url: reader.href })
      expect(await testDatasource(test.context, 'try', 'admin')).toMatchObject({
        type: 'postgres',
        serverVersion: expect.stringMatching(/^\d+\.\d+/),
        database: test.database.name,
        writePrivileges: ['is superuser'],
      })
      expect(await testDatasource(test.context, 'try', 'reader')).toMatchObject({
        user: reader.username,
        writePrivileges: [],
      })
    } finally {
      await pool.query(`drop role kiln_reader_${test.database.name}`)
    }
  })

  it('says that a Postgres is away, without its password', async () => {
    await add('try', 'away', { type: 'postgres', url: 'postgresql://u:c4nary@127.0.0.1:1/d' })
    const error: unknown = await testDatasource(test.context, 'try', 'away').catch(
      (one: unknown) => one,
    )
    expect(error).toMatchObject({ code: 'DATASOURCE_UNAVAILABLE', exitCode: 69 })
    expect(JSON.stringify(error) + String(error)).not.toContain('c4nary')
  })

  it('lists the columns of a file, and refuses one that was cut off', async () => {
    const csv = await write('columns.csv', 'day,delay\n2026-01-01,5\n')
    await add('try', 'columns', { type: 'file', path: csv, format: undefined })
    expect(await testDatasource(test.context, 'try', 'columns')).toMatchObject({
      type: 'file',
      files: 1,
      sizeBytes: 23,
      columns: [
        { name: 'day', type: 'DATE' },
        { name: 'delay', type: 'BIGINT' },
      ],
    })
    const cut = await write('cut.parquet', 'PAR1 and no end')
    await add('try', 'cut', { type: 'file', path: cut, format: undefined })
    await expect(testDatasource(test.context, 'try', 'cut')).rejects.toMatchObject({
      code: 'DATASOURCE_UNAVAILABLE',
      message: `datasource "cut": ${cut} is not a whole Parquet file`,
    })
    const text = await write('no.duckdb', 'this is not a database')
    await add('try', 'no', { type: 'duckdb', path: text })
    await expect(testDatasource(test.context, 'try', 'no')).rejects.toMatchObject({
      message: `datasource "no": ${text} is not a DuckDB database`,
    })
  })

  it.skipIf(process.getuid?.() === 0)('says that a file may not be read', async () => {
    const file = await write('closed.csv')
    await add('try', 'closed', { type: 'file', path: file, format: undefined })
    await chmod(file, 0o000)
    await expect(testDatasource(test.context, 'try', 'closed')).rejects.toMatchObject({
      code: 'DATASOURCE_UNAVAILABLE',
    })
  })
})

describe('rows', () => {
  it('belong to a project, which appears by itself', async () => {
    const source = { type: 'postgres', urlVariable: 'X' } as const
    await add('one', 'same', source)
    await add('two', 'same', source)
    await expect(add('one', 'same', source)).rejects.toMatchObject({
      code: 'DATASOURCE_EXISTS',
      exitCode: 65,
    })
    const names = (await listDatasources(test.context, { projectId: 'two' })).map(
      ({ name }) => name,
    )
    expect(names).toEqual(['same'])
    await expect(getDatasource(test.context, 'one', 'sme')).rejects.toMatchObject({
      code: 'DATASOURCE_NOT_FOUND',
      message: 'project "one" has no datasource "sme", did you mean "same"?',
    })
    await expect(add('one', 'No', source)).rejects.toMatchObject({ code: 'USAGE' })
    await expect(add('one', 'query', source)).rejects.toMatchObject({ code: 'USAGE' })
    await expect(add('', 'x', source)).rejects.toMatchObject({ code: 'USAGE' })
  })

  it('leave an audit row each when added and removed', async () => {
    const { id } = await add('audit', 'orders', { type: 'postgres', urlVariable: 'X' })
    const added = await audit('datasource.add')
    expect(added).toMatchObject({ targetId: id, targetName: 'audit/orders', beforeHash: null })
    await removeDatasource(test.context, { projectId: 'audit', name: 'orders', force: false })
    const removed = await audit('datasource.remove')
    expect(removed).toMatchObject({ targetId: id, afterHash: null, beforeHash: added.afterHash })
    await expect(
      removeDatasource(test.context, { projectId: 'audit', name: 'orders', force: false }),
    ).rejects.toMatchObject({ code: 'DATASOURCE_NOT_FOUND' })
  })

  it('stay while analyses declare them, unless forced', async () => {
    await add('used', 'orders', { type: 'postgres', urlVariable: 'X' })
    await test.context.database.pool.query(`
      with analysis as (
        insert into analyses (title, script_content, project_id) values ('U', 'x', 'used') returning id
      )
      insert into analysis_dependencies (analysis_id, dependency_type, dependency_name)
      select id, 'datasource', 'orders' from analysis
    `)
    await expect(
      removeDatasource(test.context, { projectId: 'used', name: 'orders', force: false }),
    ).rejects.toMatchObject({ code: 'DATASOURCE_IN_USE', details: { analyses: ['u'] } })
    await removeDatasource(test.context, { projectId: 'used', name: 'orders', force: true })
    expect(await listDatasources(test.context, { projectId: 'used' })).toEqual([])
  })
})
