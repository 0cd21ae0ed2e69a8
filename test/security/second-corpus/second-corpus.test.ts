import { randomBytes } from 'node:crypto'
import { existsSync, readFileSync, readdirSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { DuckDBInstance } from '@duckdb/node-api'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { addDatasource } from '../../../src/core/datasources/index.ts'
import { type TestContext, openTestContext } from '../../support/core-context.ts'
import { type KilnResult, startKiln } from '../../support/kiln.ts'
import { insertAnalysis, insertJob } from '../../support/queue.ts'
import { type TemporaryFolder, createTemporaryFolder } from '../../support/temporary-folder.ts'
import { query } from '../../support/test-server.ts'
import { data } from './data.ts'
import { escapes } from './escapes.ts'
import type { HostileScript } from './hostile-script.ts'
import { resources } from './resources.ts'
import { results } from './results.ts'
import { variants } from './variants.ts'

const corpus: readonly HostileScript[] = [
  ...escapes,
  ...results,
  ...resources,
  ...data,
  ...variants,
]

/** In the executor's environment, in its database URL and in that of the datasource. */
const canary = `canary${randomBytes(12).toString('hex')}`
const reader = `kiln_reader_${randomBytes(4).toString('hex')}`

const honestScript = `export default {
  dependencies: { datasources: ['shop', 'sales'] },
  async run(ctx) {
    const [{ a }] = await ctx.datasource.shop.query('select a from goods')
    const [{ n }] = await ctx.duckdb.query('select sum(a) as n from sales')
    return { a, n, clean: typeof left + typeof Array.prototype.left }
  },
}`
const honestResult = { a: 1, n: 3, clean: 'undefinedundefined' }

interface Row {
  readonly status: string
  readonly error_code: string | null
  readonly error_message: string | null
  readonly error_stack: string | null
  readonly result: unknown
}

let test: TestContext
let outside: TemporaryFolder
let before: ReadonlyMap<string, string>
let executor: KilnResult
const jobs = new Map<string, Row>()
const honest: Row[] = []

const filesOf = (folder: string): ReadonlyMap<string, string> =>
  new Map(
    readdirSync(folder, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => {
        const file = path.join(entry.parentPath, entry.name)
        return [file, readFileSync(file, 'latin1')]
      }),
  )

beforeAll(async () => {
  outside = await createTemporaryFolder('outside')
  test = await openTestContext({ ANALYSIS_FILE_ROOTS: outside.path })
  await prepareData()
  const pool = test.context.database.pool
  const ids: [name: string, id: string][] = []
  const honestIds: string[] = []
  const honestId = await insertAnalysis(pool, honestScript, { title: 'honest', projectId: 'bank' })
  for (const [index, { name, source }] of corpus.entries()) {
    const text = source.replaceAll('$OUTSIDE', outside.path)
    const options = { title: name, projectId: 'hostile' }
    const analysisId = await insertAnalysis(pool, text, options)
    ids.push([name, await insertJob(pool, analysisId)])
    if (index % 8 === 0) honestIds.push(await insertJob(pool, honestId))
  }
  executor = await runExecutor()
  const { rows } = await pool.query<Row & { id: string }>(
    'select id, status, error_code, error_message, error_stack, result from analysis_jobs',
  )
  const byId = new Map(rows.map((row) => [row.id, row]))
  for (const [name, id] of ids) jobs.set(name, byId.get(id) as Row)
  honest.push(...honestIds.map((id) => byId.get(id) as Row))
}, 660_000)

afterAll(async () => {
  await query(test.database.connectionString, `drop owned by ${reader}; drop role ${reader}`)
  await test.close()
  await outside.remove()
})

async function prepareData(): Promise<void> {
  writeFileSync(path.join(outside.path, 'sales.csv'), 'a\n1\n2\n')
  writeFileSync(path.join(outside.path, 'secret.csv'), `${canary}\n`)
  const warehouse = path.join(outside.path, 'warehouse.duckdb')
  const instance = await DuckDBInstance.create(warehouse)
  const connection = await instance.connect()
  await connection.run('create table t as select 42 as a')
  connection.closeSync()
  instance.closeSync()
  before = filesOf(outside.path)
  const url = test.database.connectionString
  await query(
    url,
    `create role ${reader} login password '${canary}';
     create table goods as select 1 as a;
     create table secrets as select '${canary}'::text as secret;
     create sequence numbers;
     create function write_goods() returns int language sql as 'insert into goods values (6) returning a';
     create procedure write_and_commit() language plpgsql as
       'begin commit; insert into goods values (8); end';
     create function noisy(n int) returns int language plpgsql as
       'begin for i in 1..n loop raise notice ''%'', repeat(''x'', 100000); end loop; return 1; end';
     grant select on goods to ${reader};
     grant all on sequence numbers to ${reader}`,
  )
  for (const projectId of ['hostile', 'bank']) {
    await query(url, `insert into projects (id) values ('${projectId}')`)
    const add = (name: string, source: Parameters<typeof addDatasource>[1]['source']) =>
      addDatasource(test.context, { projectId, name, source })
    await add('shop', { type: 'postgres', url: withPassword(url, reader) })
    await add('warehouse', { type: 'duckdb', path: warehouse })
    await add('sales', {
      type: 'file',
      path: path.join(outside.path, 'sales.csv'),
      format: undefined,
    })
  }
}

/** The same database as another account, the canary its password. */
const withPassword = (url: string, user: string): string =>
  url.replace(/^(\w+:\/\/)([^@/]*)@/, `$1${user}:${canary}@`)

/** One executor for all of it: that it ends by itself, with 0, is half of the test. */
async function runExecutor(): Promise<KilnResult> {
  const url = test.database.connectionString
  const [, owner = 'postgres'] = /^\w+:\/\/([^@:/]*)/.exec(url) ?? []
  const kiln = startKiln(
    ['serve-scheduler', '--once', '--no-http', '--concurrency', '4', '--log-level', 'debug'],
    {
      env: {
        DATABASE_URL: withPassword(url, owner),
        CANARY_SECRET: canary,
        ANALYSIS_DATA_DIR: test.context.settings.dataDir,
        ANALYSIS_FILE_ROOTS: outside.path,
        ANALYSIS_SANDBOX_TIMEOUT_SECONDS: '20',
        ANALYSIS_SANDBOX_MEMORY_LIMIT: '64MB',
        ANALYSIS_JOB_TIMEOUT_SECONDS: '20',
        QUERY_TIMEOUT: '2',
      },
    },
  )
  kiln.stdin.end()
  return kiln.exited
}

describe('the corpus', () => {
  it('has many scripts, each with a name of its own', () => {
    expect(new Set(corpus.map(({ name }) => name)).size).toBe(corpus.length)
    expect(corpus.length).toBeGreaterThan(80)
  })

  it.each(corpus)('ends as it should: $name', ({ name, ends, result }) => {
    const job = jobs.get(name)
    const end = job?.status === 'completed' ? 'completed' : job?.error_code
    expect(ends, `${end}: ${job?.error_message}`).toContain(end)
    if (end === 'completed' && result !== undefined) expect(job?.result).toEqual(result)
    // It came to its loop, and not only to the call before.
    if (name.startsWith('a loop')) expect(job?.error_message).not.toContain('waiting for')
    expect(job?.error_message?.length ?? 0).toBeLessThan(9000)
    expect(job?.error_stack ?? '').not.toMatch(/node:|isolated-vm|processes\//)
  })

  it('leaves the executor alive to its end', () => {
    expect(executor.exitCode, executor.stderr.slice(-2000)).toBe(0)
  })

  it('leaves the jobs of another project as they would have been', () => {
    expect(honest.length).toBeGreaterThan(20)
    for (const { status, result, error_message } of honest) {
      expect({ status, result, error_message }).toEqual({
        status: 'completed',
        result: honestResult,
        error_message: null,
      })
    }
  })

  it('writes no file outside of the jobs folders, and leaves none in them', () => {
    expect([...filesOf(outside.path)]).toEqual([...before])
    for (const folder of ['/', '/tmp', '/var/tmp', '/dev/shm', process.cwd()]) {
      const names = existsSync(folder) ? readdirSync(folder) : []
      expect(names.filter((name) => name.includes('kiln-was-here'))).toEqual([])
    }
    const { dataDir } = test.context.settings
    const left = [...filesOf(dataDir).keys()].map((file) => path.relative(dataDir, file))
    expect(left.filter((file) => !/^(keys?|results)\/|^[\w-]+$|^[\w-]+\.key$/.test(file))).toEqual(
      [],
    )
  })

  it('changes nothing in the datasources', async () => {
    const { rows } = await query(test.database.connectionString, 'select a from goods')
    expect(rows).toEqual([{ a: 1 }])
    const objects = 'select count(*)::int as n from pg_largeobject_metadata'
    expect((await query(test.database.connectionString, objects)).rows).toEqual([{ n: 0 }])
  })

  it('leaves no lock and no connection behind', async () => {
    const { rows } = await query(
      test.database.connectionString,
      `select pid from pg_stat_activity where usename = '${reader}'
       union all
       select pid from pg_locks
       where locktype = 'advisory'
         and database = (select oid from pg_database where datname = current_database())`,
    )
    expect(rows).toEqual([])
  })

  it('shows the canary to nobody', async () => {
    expect(executor.stdout).not.toContain(canary)
    expect(executor.stderr).not.toContain(canary)
    const tables = [
      'analysis_jobs',
      'analysis_job_logs',
      'analysis_job_attempts',
      'analysis_metadata',
    ]
    for (const table of tables) {
      const { rows } = await query(
        test.database.connectionString,
        `select count(*)::int as n from ${table} t where t::text like '%${canary}%'`,
      )
      expect(rows, table).toEqual([{ n: 0 }])
    }
  })

  it('keeps to the limits of the log', async () => {
    const { rows } = await query(
      test.database.connectionString,
      `select count(*)::int as lines, sum(octet_length(message))::int as bytes
       from analysis_job_logs group by job_id order by 2 desc nulls last limit 1`,
    )
    const [{ lines, bytes }] = rows as [{ lines: number; bytes: number }]
    expect(lines).toBeLessThanOrEqual(10_001)
    expect(bytes).toBeLessThanOrEqual(1024 ** 2 + 1024)
  })
})
