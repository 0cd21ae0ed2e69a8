/** Scripts that misbehave in every way we know, run by one executor of the built program. */
import { randomBytes } from 'node:crypto'
import { existsSync, readFileSync, readdirSync } from 'node:fs'
import { mkdir, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { gunzipSync } from 'node:zlib'
import { DuckDBInstance } from '@duckdb/node-api'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { addDatasource } from '../../../src/core/datasources/index.ts'
import { packageRoot } from '../../../src/core/os/index.ts'
import { type TestContext, openTestContext } from '../../support/core-context.ts'
import { type KilnResult, runKiln } from '../../support/kiln.ts'
import { type JobColumns, insertAnalysis, insertJob, readJob } from '../../support/queue.ts'
import { query } from '../../support/test-server.ts'
import type { Case } from './case.ts'
import { duckdbCases, postgresCases, reachCases } from './data.ts'
import { hostCases, prototypeCases } from './host.ts'
import { cpuCases, floodCases, memoryCases } from './limits.ts'
import { resultCases } from './results.ts'

const groups: Readonly<Record<string, readonly Case[]>> = {
  'the host': hostCases,
  prototypes: prototypeCases,
  'results and errors': resultCases,
  memory: memoryCases,
  CPU: cpuCases,
  floods: floodCases,
  DuckDB: duckdbCases,
  Postgres: postgresCases,
  'what was not declared': reachCases,
}
const cases = Object.values(groups).flat()

const unique = randomBytes(6).toString('hex')
const canary = `canary-${unique}`
const mark = `kiln_mark_${unique}`
const role = `kiln_reader_${unique}`

let test: TestContext
let outside: string
let service: KilnResult
const jobs = new Map<Case, string>()
const neighbours: string[] = []
const pool = () => test.context.database.pool

beforeAll(async () => {
  test = await openTestContext()
  outside = path.join(test.folder.path, 'outside')
  await makeSources()
  await insertJobs()
  service = await runKiln(['serve-scheduler', '--once', '--no-http', '--concurrency', '2'], {
    cwd: test.folder.path,
    timeoutMs: 600_000,
    env: {
      DATABASE_URL: test.database.connectionString,
      ANALYSIS_DATA_DIR: test.context.settings.dataDir,
      ANALYSIS_FILE_ROOTS: outside,
      ANALYSIS_SANDBOX_TIMEOUT_SECONDS: '20',
      ANALYSIS_SANDBOX_MEMORY_LIMIT: '64MB',
      QUERY_TIMEOUT: '1',
      KILN_CANARY: canary,
    },
  })
}, 660_000)

afterAll(async () => {
  await query(test.database.connectionString, `drop owned by ${role}; drop role ${role}`)
  await test.close()
})

/** Files that lie open, so that only the walls keep scripts from them. */
async function makeSources(): Promise<void> {
  await mkdir(outside, { mode: 0o755 })
  await writeFile(path.join(outside, 'secret.csv'), `${canary}\n`)
  await writeFile(path.join(outside, 'birds.csv'), 'name,n\nwren,3\n')
  const instance = await DuckDBInstance.create(path.join(outside, 'warehouse.duckdb'))
  const connection = await instance.connect()
  await connection.run('create table t as select 42 as a')
  connection.closeSync()
  instance.closeSync()
  const { connectionString } = test.database
  await query(
    connectionString,
    `create table numbers as select n from generate_series(1, 10) as n;
     create role ${role} login;
     grant select on numbers to ${role}`,
  )
  const context = {
    ...test.context,
    settings: { ...test.context.settings, allowedFileRoots: [outside] },
  }
  const add = (name: string, source: Parameters<typeof addDatasource>[1]['source']) =>
    addDatasource(context, { projectId: 'hostile', name, source })
  const url = connectionString.replace(/\/\/[^/@]*@/, `//${role}@`)
  await add('shop', { type: 'postgres', url })
  await add('private', { type: 'postgres', url })
  await add('warehouse', { type: 'duckdb', path: path.join(outside, 'warehouse.duckdb') })
  await add('birds', {
    type: 'file',
    path: path.join(outside, 'birds.csv'),
    format: undefined,
  })
}

/** Each case, and right after some a job of another project: it needs a process of its own. */
async function insertJobs(): Promise<void> {
  const neighbour = await insertAnalysis(
    pool(),
    `export default () => ({ ok: 'fine', own: Object.keys(Object.prototype).length })`,
    { title: 'neighbour', projectId: 'neighbour' },
  )
  for (const [index, given] of cases.entries()) {
    const source = given.source.replaceAll('$OUT', outside).replaceAll('$MARK', mark)
    const at = (offset: number) => new Date(Date.UTC(2026, 0, 1) + 2 * index + offset)
    const options = { title: `case ${index}`, projectId: 'hostile' }
    const analysis = await insertAnalysis(pool(), source, options)
    const parameters = JSON.stringify(given.parameters ?? {})
    jobs.set(given, await insertJob(pool(), analysis, { run_at: at(0), parameters }))
    if (index % 4 === 0) neighbours.push(await insertJob(pool(), neighbour, { run_at: at(1) }))
  }
}

describe.each(Object.entries(groups))('%s', (_group, list) => {
  it.each(list.map((one) => [one.name, one] as const))('%s', async (_name, given) => {
    const job = await readJob(pool(), jobs.get(given) ?? '')
    if (given.code === undefined) {
      expect(job.error_message).toBeNull()
      expect(job.status).toBe('completed')
      if ('result' in given) expect(job.result).toEqual(given.result)
      return
    }
    expect(job.status, `completed with ${JSON.stringify(job.result)?.slice(0, 200)}`).toBe('failed')
    expect([given.code].flat(), job.error_message ?? '').toContain(job.error_code)
    expect((job.error_message ?? '').length).toBeLessThan(9000)
  })
})

describe('the house around them', () => {
  it('is large enough to mean something', () => {
    expect(cases.length).toBeGreaterThanOrEqual(80)
  })

  it('has one executor that lived through all of it', async () => {
    expect(service.exitCode).toBe(0)
    const { rows } = await pool().query('select distinct executor_id from analysis_job_attempts')
    expect(rows).toHaveLength(1)
    const lost = await pool().query('select id from analysis_jobs where lost_count > 0')
    expect(lost.rows).toEqual([])
  })

  it('let every job of another project complete', async () => {
    const ended: JobColumns[] = []
    for (const id of neighbours) ended.push(await readJob(pool(), id))
    expect(ended.filter(({ status }) => status !== 'completed')).toEqual([])
    for (const { result } of ended) expect(result).toEqual({ ok: 'fine', own: 0 })
  })

  it('shows no secret in any output', async () => {
    const texts = [service.stdout, service.stderr]
    const tables = ['jobs', 'job_logs', 'job_attempts', 'metadata', 'result_storage', 'audit_log']
    for (const name of tables) {
      const { rows } = await pool().query<{ text: string }>(
        `select row_to_json(t)::text as text from analysis_${name} as t`,
      )
      texts.push(...rows.map(({ text }) => text))
    }
    const definitions = await pool().query<{ text: string }>(
      'select concat(definition::text, definition_error) as text from analysis_versions',
    )
    texts.push(...definitions.rows.map(({ text }) => text))
    texts.push(...resultFiles(test.context.settings.dataDir))
    const all = texts.join('\n')
    expect(all).not.toContain(canary)
    expect(all).not.toContain('root:x:0:')
  })

  it('has no file that a script made, and no folder of a job', () => {
    const { dataDir } = test.context.settings
    expect(readdirSync(path.join(dataDir, 'jobs'))).toEqual([])
    const places = ['/', tmpdir(), process.cwd(), packageRoot(), path.join(packageRoot(), 'dist')]
    const names = places.flatMap((folder) => readdirSync(folder))
    const deep = readdirSync(test.folder.path, { recursive: true }).map(String)
    expect([...names, ...deep].filter((name) => name.includes(mark))).toEqual([])
    expect(readdirSync(outside).toSorted()).toEqual(['birds.csv', 'secret.csv', 'warehouse.duckdb'])
    expect(readFileSync(path.join(outside, 'birds.csv'), 'utf8')).toBe('name,n\nwren,3\n')
  })

  it('keeps logs within their limits', async () => {
    const { rows } = await pool().query<{ lines: string; bytes: string }>(
      `select count(*) as lines, sum(octet_length(message)) as bytes
       from analysis_job_logs
       group by job_id`,
    )
    expect(rows.length).toBeGreaterThan(0)
    for (const { lines, bytes } of rows) {
      expect(Number(lines)).toBeLessThanOrEqual(10_001)
      expect(Number(bytes)).toBeLessThanOrEqual(1024 ** 2 + 1024)
    }
  })

  it('holds no lock and no session of a script', async () => {
    const { rows } = await pool().query(
      `select pid from pg_locks where locktype = 'advisory' and objid = 4711
         and database = (select oid from pg_database where datname = current_database())
       union all
       select pid from pg_stat_activity where usename = '${role}'`,
    )
    expect(rows).toEqual([])
    expect((await pool().query('select count(*)::integer as n from numbers')).rows).toEqual([
      { n: 10 },
    ])
  })
})

function resultFiles(dataDir: string): string[] {
  const folder = path.join(dataDir, 'results')
  if (!existsSync(folder)) return []
  return readdirSync(folder, { recursive: true })
    .map((name) => path.join(folder, String(name)))
    .filter((file) => file.endsWith('.gz'))
    .map((file) => gunzipSync(readFileSync(file)).toString('utf8'))
}
