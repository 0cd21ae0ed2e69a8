/** What a service and its sandboxes hold in memory after many jobs. */
import { spawn } from 'node:child_process'
import { readdirSync } from 'node:fs'
import path from 'node:path'
import { text } from 'node:stream/consumers'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { type TestContext, openTestContext } from '../support/core-context.ts'

let test: TestContext
beforeAll(async () => {
  test = await openTestContext()
})
afterAll(() => test.close())

const probe = path.resolve(import.meta.dirname, 'memory-probe.ts')

/**
 * Memory that is in use, not what the garbage collector has yet to give back. Each of the two
 * sandboxes lives for 500 jobs, so each portion sees whole lives.
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
    { stdio: ['pipe', 'pipe', 'inherit'] },
  )
  child.stdin.end(counts.join('\n'))
  const lines = (await text(child.stdout)).trim().split('\n')
  expect(lines).toHaveLength(counts.length)
  return lines.map((line) => JSON.parse(line) as Used)
}

it('holds no more after 10,000 jobs than after 1,000, but for a tenth', async () => {
  const used = (await measure(portions)).map(({ serviceBytes, sandboxBytes }) => ({
    service: serviceBytes,
    sandbox: sandboxBytes,
  }))
  const [early, , late] = used
  if (!early || !late) throw new Error('the probe printed too little')
  expect(early.service).toBeGreaterThan(0)
  expect(early.sandbox).toBeGreaterThan(0)
  expect(late.service / early.service, JSON.stringify(used)).toBeLessThanOrEqual(1.1)
  expect(late.sandbox / early.sandbox, JSON.stringify(used)).toBeLessThanOrEqual(1.1)
})

it('leaves nothing behind of jobs that write their project database', async () => {
  const script = `export default {
    database: 'write',
    async run(ctx) {
      await ctx.duckdb.exec('create table if not exists t (a int)')
      await ctx.duckdb.exec('insert into t values (1)')
    },
  }`
  const used = await measure([20, 60, 20], script)
  const [early, , late] = used
  if (!early || !late) throw new Error('the probe printed too little')
  const told = JSON.stringify(used)
  expect(late.serviceBytes / early.serviceBytes, told).toBeLessThanOrEqual(1.1)
  // A spare sandbox or one connection more comes and goes; a leak in 80 jobs would show as many.
  expect(late.openFiles, told).toBeLessThan(early.openFiles + 20)
  expect(late.children, told).toBeLessThan(early.children + 8)
  const { pool } = test.context.database
  const { rows: users } = await pool.query('select * from analysis_database_users')
  expect(users).toEqual([])
  const { rows: statuses } = await pool.query<{ status: string }>(
    'select distinct status from analysis_jobs',
  )
  expect(statuses).toEqual([{ status: 'completed' }])
  expect(readdirSync(path.join(test.folder.path, 'jobs'))).toEqual([])
  expect(readdirSync(path.join(test.folder.path, 'databases', 'default'))).toEqual([
    'default.duckdb',
  ])
})
