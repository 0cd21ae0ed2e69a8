/** Jobs with their project's database, over real Postgres, DuckDB and sandboxes. */
import { existsSync, readdirSync, statSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { addDatasource } from '../../../src/core/datasources/index.ts'
import { openDataFolder, projectDatabasePath } from '../../../src/core/os/index.ts'
import { serve } from '../../../src/core/scheduler/index.ts'
import { type TestContext, openTestContext } from '../../support/core-context.ts'
import { insertAnalysis, insertJob, readAttempts, readJob } from '../../support/queue.ts'

let test: TestContext
beforeAll(async () => {
  test = await openTestContext()
})
afterAll(() => test.close())
beforeEach(() => pool().query('truncate analyses, projects, analysis_executors cascade'))

const pool = () => test.context.database.pool
const data = () => openDataFolder(test.context.settings.dataDir)

let lastProject = 0
const newProject = () => `p${(lastProject += 1)}`

const analysis = (use: 'read' | 'write', body: string, projectId: string, more = '') =>
  insertAnalysis(
    pool(),
    `export default { database: '${use}', ${more} async run(ctx, params) { ${body} } }`,
    { projectId, title: `${use} ${lastProject}`, maxConcurrent: 'unread' },
  )

async function addSources(projectId: string): Promise<void> {
  const csv = path.join(test.folder.path, 'heights.csv')
  writeFileSync(csv, 'code,height\nOSL,208\nBGO,52\n')
  const context = {
    ...test.context,
    settings: { ...test.context.settings, allowedFileRoots: [test.folder.path] },
  }
  const url = test.database.connectionString
  await addDatasource(context, { projectId, name: 'orders', source: { type: 'postgres', url } })
  const source = { type: 'file', path: csv, format: undefined } as const
  await addDatasource(context, { projectId, name: 'heights', source })
}

async function serveOnce(concurrency = 2) {
  const settings = { ...test.context.settings, allowedFileRoots: [test.folder.path] }
  return serve(
    { ...test.context, settings },
    {
      programVersion: '0.0.0',
      concurrency,
      once: true,
      haste: new AbortController().signal,
    },
  )
}

async function run(
  use: 'read' | 'write',
  body: string,
  projectId: string,
): Promise<Awaited<ReturnType<typeof readJob>>> {
  const id = await insertJob(pool(), await analysis(use, body, projectId))
  await serveOnce()
  return readJob(pool(), id)
}

async function resultOf(use: 'read' | 'write', body: string, projectId: string): Promise<unknown> {
  const job = await run(use, body, projectId)
  expect(job.error_message).toBeNull()
  return job.result
}

describe('a job that writes the project database', () => {
  it('leaves what it wrote to the next, and to readers as `project`', async () => {
    const project = newProject()
    expect(
      await resultOf(
        'write',
        `await ctx.duckdb.exec('create table sales (id int primary key, amount decimal(9, 2))')
         await ctx.duckdb.exec('insert into sales values ($1, 12.5), (2, 1)', [1])
         await ctx.duckdb.exec('create temp table mine as select 1 as a')
         return (await ctx.duckdb.tables()).map(({ database, name }) => database + '.' + name).sort()`,
        project,
      ),
    ).toEqual(['project.sales', 'temp.mine'])
    await resultOf(
      'write',
      `await ctx.duckdb.exec('update sales set amount = 2 where id = 2')`,
      project,
    )
    expect(
      await resultOf(
        'read',
        `await ctx.duckdb.exec('create table copy as from project.sales')
         return [
           await ctx.duckdb.query('select id, amount from copy order by id'),
           (await ctx.duckdb.tables()).map(({ database, name }) => database + '.' + name).sort(),
           await ctx.duckdb.exec('delete from project.sales').catch(({ code }) => code),
         ]`,
        project,
      ),
    ).toEqual([
      [
        { id: 1, amount: 12.5 },
        { id: 2, amount: 2 },
      ],
      ['memory.copy', 'project.sales'],
      'datasource_error',
    ])
  })

  it('keeps its file for one account alone, merged with its log', async () => {
    const project = newProject()
    await resultOf(
      'write',
      `await ctx.duckdb.exec('create table t as from range(100000)')`,
      project,
    )
    const file = projectDatabasePath(await data(), project)
    expect(readdirSync(path.dirname(file))).toEqual([path.basename(file)])
    expect(statSync(file).mode & 0o777).toBe(0o600)
    expect(statSync(path.dirname(file)).mode & 0o777).toBe(0o700)
    const { rows } = await pool().query('select home_folder from projects where id = $1', [project])
    expect(rows).toEqual([{ home_folder: (await data()).id }])
    expect(readdirSync(path.join(test.context.settings.dataDir, 'jobs'))).toEqual([])
  })

  it.each([
    ['fails', `throw new Error('no')`, 'script_error'],
    ['returns what is no result', `const a = {}; a.a = a; return a`, 'result_not_serializable'],
    [
      'goes on after an error that aborts the transaction',
      `await ctx.duckdb.exec('insert into t values (1)').catch(() => undefined)
       const { code } = await ctx.duckdb.query('select 1').catch((error) => error)
       if (code !== 'transaction_aborted') throw new Error('it is ' + code)`,
      'transaction_aborted',
    ],
    [
      'calls on after an error that aborts the transaction',
      `await ctx.duckdb.exec('insert into t values (1)').catch(() => undefined)
       await ctx.duckdb.query('select 1')`,
      'transaction_aborted',
    ],
  ])('leaves nothing when it %s', async (_name, body, code) => {
    const project = newProject()
    await resultOf(
      'write',
      `await ctx.duckdb.exec('create table t as select 1 as a')
      await ctx.duckdb.exec('create unique index one on t (a)')`,
      project,
    )
    const job = await run(
      'write',
      `await ctx.duckdb.exec('insert into t values (2)'); ${body}`,
      project,
    )
    expect(job).toMatchObject({ status: 'failed', error_code: code })
    expect(await resultOf('read', `return ctx.duckdb.query('from project.t')`, project)).toEqual([
      { a: 1 },
    ])
  })

  it('goes on after an error that does not abort the transaction', async () => {
    const project = newProject()
    await resultOf(
      'write',
      `await ctx.duckdb.exec('create table t (a int)')
       await ctx.duckdb.query('select nothing').catch(() => undefined)
       await ctx.duckdb.exec('insert into t values (1)')`,
      project,
    )
    expect(await resultOf('read', `return ctx.duckdb.query('from project.t')`, project)).toEqual([
      { a: 1 },
    ])
  })

  it('streams, loads and exports inside its transaction', async () => {
    const project = newProject()
    await addSources(project)
    const body = `
      await ctx.duckdb.exec('create table t as select range as a from range(10000)')
      const open = ctx.datasource.heights.stream('select a from project.t order by a', [], 1000)
      let sum = 0
      for await (const { a } of open) {
        sum += a
        if (a === 5000) await ctx.duckdb.exec('delete from t where a > 7000')
      }
      const loaded = await ctx.duckdb.load('orders', 'select n from generate_series(1, 5) n', 'numbers')
      const failed = await ctx.duckdb.load('orders', 'select n, 1 / (3 - n) from generate_series(1, 5) n', 'none')
        .catch(({ code }) => code)
      await ctx.duckdb.load('heights', 'from heights', 'places')
      await ctx.duckdb.export('t', 't.parquet')
      return { sum, loaded, failed, heights: await ctx.datasource.heights.query('from heights order by code') }`
    const dependencies = `dependencies: { datasources: ['heights', 'orders'] },`
    const id = await insertJob(pool(), await analysis('write', body, project, dependencies))
    await serveOnce()
    const job = await readJob(pool(), id)
    expect(job.error_message).toBeNull()
    expect(job.result).toEqual({
      sum: 49995000,
      loaded: { rowCount: 5 },
      failed: 'datasource_error',
      heights: [
        { code: 'BGO', height: 52 },
        { code: 'OSL', height: 208 },
      ],
    })
    expect(
      await resultOf(
        'read',
        `return [
          (await ctx.duckdb.tables()).map(({ database, name }) => database + '.' + name).sort(),
          await ctx.duckdb.query('select count(*) as n from project.t'),
        ]`,
        project,
      ),
    ).toEqual([['project.numbers', 'project.places', 'project.t'], [{ n: 7001 }]])
  })

  it('cannot write beside its transaction by way of a datasource', async () => {
    const project = newProject()
    await addSources(project)
    const body = `await ctx.duckdb.query('select 1')
      await ctx.datasource.heights.query('create table project.main.beside (a int)')
      throw new Error('no')`
    await insertJob(
      pool(),
      await analysis('write', body, project, `dependencies: { datasources: ['heights'] },`),
    )
    await serveOnce()
    expect(await resultOf('read', `return ctx.duckdb.tables()`, project)).toEqual([])
  })

  it.each([
    'begin',
    'commit',
    'rollback',
    'checkpoint',
    'use project',
    "attach ':memory:' as other",
    'detach project',
    'drop schema _kiln cascade',
    'delete from project."_KILN".commits',
    'create table _kiln.mine (a int)',
  ])('cannot %s', async (sql) => {
    const body = `return ctx.duckdb.exec(${JSON.stringify(sql)}).then(() => 'done', ({ code }) => code)`
    expect(await resultOf('write', body, newProject())).toBe('datasource_error')
  })

  it('sees an empty database in a project that nobody has written', async () => {
    const project = newProject()
    expect(
      await resultOf(
        'read',
        `return ctx.duckdb.exec('create table project.t (a int)').catch(({ message }) => message)`,
        project,
      ),
    ).toMatch(/read-only/)
    expect(existsSync(projectDatabasePath(await data(), project))).toBe(false)
  })

  it('counts no attempt for finding out that it needs the database', async () => {
    const project = newProject()
    const job = await run('write', `await ctx.duckdb.exec('create table t (a int)')`, project)
    expect(job).toMatchObject({ status: 'completed', attempt: 1 })
    expect(await readAttempts(pool(), job.id)).toEqual(['completed'])
  })

  it('lets readers and writers all end', async () => {
    const project = newProject()
    await resultOf('write', `await ctx.duckdb.exec('create table t as select 0 as a')`, project)
    const reader = await analysis('read', `return ctx.duckdb.query('from project.t')`, project)
    const writer = await analysis(
      'write',
      `await ctx.duckdb.exec('update t set a = a + 1')`,
      project,
    )
    await insertJob(pool(), reader)
    await insertJob(pool(), writer)
    await serveOnce()
    const jobs: string[] = []
    for (let index = 0; index < 20; index += 1) {
      jobs.push(await insertJob(pool(), reader))
      if (index % 10 === 5) jobs.push(await insertJob(pool(), writer))
    }
    await serveOnce(4)
    const statuses = await Promise.all(jobs.map(async (id) => (await readJob(pool(), id)).status))
    expect(new Set(statuses)).toEqual(new Set(['completed']))
    expect(await resultOf('read', `return ctx.duckdb.query('from project.t')`, project)).toEqual([
      { a: 3 },
    ])
  })
})

describe('a child of a job that has the project database', () => {
  it.each([
    ['write', 'read', false],
    ['write', 'write', false],
    ['read', 'write', false],
    ['read', 'read', true],
  ] as const)('of one that %ss and would %s: runs %s', async (above, below, runs) => {
    const project = newProject()
    await resultOf('write', `await ctx.duckdb.exec('create table t as select 1 as a')`, project)
    const child = await insertAnalysis(
      pool(),
      `export default { database: '${below}', async run(ctx) { return ctx.duckdb.query('from t') } }`.replace(
        'from t',
        below === 'read' ? 'from project.t' : 'from t',
      ),
      { projectId: project, title: 'child' },
    )
    // So that its script has been read.
    await insertJob(pool(), child)
    await serveOnce()
    const parent = await analysis(
      above,
      `await ctx.duckdb.query('select 1'); return ctx.runAnalysis('child')`,
      project,
      `dependencies: { analyses: ['child'] },`,
    )
    const job = await readJob(
      pool(),
      await insertJob(pool(), parent).then(async (id) => {
        await serveOnce()
        return id
      }),
    )
    if (runs) {
      expect(job).toMatchObject({ status: 'completed', result: [{ a: 1 }] })
    } else {
      expect(job).toMatchObject({ status: 'failed', error_code: 'dependency_error' })
      expect(job.error_message).toContain(`while a job above it ${above}s it`)
    }
  })
})
