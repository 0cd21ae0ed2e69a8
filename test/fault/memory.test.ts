/** What a service and its sandboxes hold in memory after many jobs. */
import { spawn } from 'node:child_process'
import { existsSync, readdirSync } from 'node:fs'
import path from 'node:path'
import { text } from 'node:stream/consumers'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { addDatasource } from '../../src/core/datasources/index.ts'
import { bundleProcess } from '../support/bundle-process.ts'
import { type TestContext, openTestContext } from '../support/core-context.ts'

let test: TestContext
beforeAll(async () => {
  test = await openTestContext()
  await addDatasource(test.context, {
    projectId: 'default',
    name: 'shop',
    source: { type: 'postgres', urlVariable: 'KILN_PROBE_SHOP_URL' },
  })
})
afterAll(() => test.close())

const probe = await bundleProcess(path.join(import.meta.dirname, 'memory-probe.ts'))

/**
 * Memory that is in use, not what the garbage collector has yet to give back. Each of the two
 * sandboxes lives for 1,500 jobs: the first portion sees a third of a life, the others whole ones.
 */
const portions = [1000, 8000, 1000]

interface Used {
  readonly serviceBytes: number
  readonly sandboxBytes: number
  readonly openFiles: number
  readonly children: number
}

async function measure(counts: readonly number[], script?: string): Promise<readonly Used[]> {
  const child = spawn(
    process.execPath,
    [
      '--expose-gc',
      probe,
      test.database.connectionString,
      test.folder.path,
      ...(script === undefined ? [] : [script]),
    ],
    {
      env: { ...process.env, KILN_PROBE_SHOP_URL: test.database.connectionString },
      stdio: ['pipe', 'pipe', 'inherit'],
    },
  )
  child.stdin.end(counts.join('\n'))
  const lines = (await text(child.stdout)).trim().split('\n')
  expect(lines).toHaveLength(counts.length)
  return lines.map((line) => JSON.parse(line) as Used)
}

it(
  'holds no more after 10,000 jobs than after 1,000, but for a tenth',
  { timeout: 600_000 },
  async () => {
    const used = await measure(portions)
    const [early, , late] = used
    if (!early || !late) throw new Error('the probe printed too little')
    const told = JSON.stringify(used)
    expect(early.serviceBytes).toBeGreaterThan(0)
    expect(early.sandboxBytes).toBeGreaterThan(0)
    expect(late.serviceBytes / early.serviceBytes, told).toBeLessThanOrEqual(1.1)
    expect(late.sandboxBytes / early.sandboxBytes, told).toBeLessThanOrEqual(1.1)
    expect(late.openFiles, told).toBeLessThan(early.openFiles + 20)
    expect(late.children, told).toBeLessThan(early.children + 8)
  },
)

/** What a job may leave behind outside of its processes. */
async function expectNothingLeft(): Promise<void> {
  const { pool } = test.context.database
  const { rows: sessions } = await pool.query(
    `select application_name as name
     from pg_stat_activity
     where datname = current_database() and application_name like 'kiln job%'
     union all
     select 'lock'
     from pg_locks
     where locktype = 'advisory' and objid = 4711
       and database = (select oid from pg_database where datname = current_database())`,
  )
  expect(sessions).toEqual([])
  const { rows: users } = await pool.query('select * from analysis_database_users')
  expect(users).toEqual([])
  const { rows: statuses } = await pool.query<{ status: string }>(
    'select distinct status from analysis_jobs',
  )
  expect(statuses).toEqual([{ status: 'completed' }])
  // Made for the first job that needs a folder.
  const folders = path.join(test.folder.path, 'jobs')
  expect(existsSync(folders) ? readdirSync(folders) : []).toEqual([])
}

/** Jobs that use a datasource, and leave a stream, a lock and a call open. */
const untidy = (database: string, more: string) => `export default {
  database: '${database}',
  dependencies: { datasources: ['shop'] },
  async run(ctx) {
    await ctx.datasource.shop.query('select pg_advisory_lock_shared(4711)')
    for await (const row of ctx.datasource.shop.stream('select generate_series(1, 9) as a', [], 2)) {
      if (row.a === 3) break
    }
    await ctx.datasource.shop.stream('select 1', [], 2)[Symbol.asyncIterator]().next()
    ctx.log('hello')
    ${more}
  },
}`

it.each([
  ['300 jobs that use a datasource', [100, 100, 100], 'scratch', `ctx.metadata.get('a')`],
  [
    'jobs that write their project database',
    [8, 24, 8],
    'write',
    `await ctx.duckdb.exec('create table if not exists t (a int)')
    await ctx.duckdb.exec('insert into t values (1)')`,
  ],
])('leaves nothing behind of %s', { timeout: 300_000 }, async (_what, counts, database, more) => {
  const used = await measure(counts, untidy(database, more))
  const [early, , late] = used
  if (!early || !late) throw new Error('the probe printed too little')
  const told = JSON.stringify(used)
  expect(late.serviceBytes / early.serviceBytes, told).toBeLessThanOrEqual(1.1)
  // A spare sandbox or one connection more comes and goes; a leak would show as many as there are jobs.
  expect(late.openFiles, told).toBeLessThan(early.openFiles + 20)
  expect(late.children, told).toBeLessThan(early.children + 8)
  await expectNothingLeft()
  if (database === 'write') {
    expect(readdirSync(path.join(test.folder.path, 'databases', 'default'))).toEqual([
      'default.duckdb',
    ])
  }
})
