import path from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import { type TestContext, openTestContext } from '../support/core-context.ts'
import { descendantsOf, survivors } from '../support/descendants.ts'
import { type KilnOptions, runKiln, startKiln } from '../support/kiln.ts'
import { insertAnalysis, insertJob, readAttempts, readJob } from '../support/queue.ts'
import { waitUntil } from '../support/wait-until.ts'

let test: TestContext
let options: KilnOptions
beforeAll(async () => {
  test = await openTestContext()
  options = {
    env: {
      DATABASE_URL: test.database.connectionString,
      ANALYSIS_DATA_DIR: path.join(test.folder.path, 'data'),
    },
  }
})
afterAll(() => test.close())
afterEach(() => pool().query('truncate analyses cascade'))

const pool = () => test.context.database.pool
const slow = `export default async (p, ctx) => {
  await ctx.duckdb.exec('create table t as select 1 as a')
  await ctx.metadata.set('begun', true)
  while ((await ctx.metadata.get('go')) !== true) continue
  await ctx.duckdb.query('select * from t')
  return 'done'
}`

function start(more: KilnOptions = {}) {
  const kiln = startKiln(['serve-scheduler', '--no-http', '--json'], { ...options, ...more })
  onTestFinished(() => kiln.kill('SIGKILL'))
  return kiln
}

async function begunJob(more?: KilnOptions) {
  const analysisId = await insertAnalysis(pool(), slow)
  const jobId = await insertJob(pool(), analysisId)
  const kiln = start(more)
  await waitUntil('the script runs', async () => {
    const { rows } = await pool().query(`select from analysis_metadata where key = 'begun'`)
    return rows.length > 0
  })
  const letGo = () =>
    pool().query(`insert into analysis_metadata values ($1, 'go', 'true')`, [analysisId])
  return { kiln, jobId, letGo }
}

describe('serve-scheduler --once', () => {
  it('runs everything due, also what fails, prints the counts and ends with 0', async () => {
    const good = await insertAnalysis(pool())
    const bad = await insertAnalysis(pool(), `export default () => { throw new Error('no') }`)
    for (const id of [good, bad, good]) await insertJob(pool(), id)
    await insertJob(pool(), good, { run_at: '2999-01-01' })
    const args = ['serve-scheduler', '--once', '--no-http']
    const { exitCode, stdout, stderr } = await runKiln([...args, '--json'], options)
    expect({ exitCode, counts: JSON.parse(stdout) as unknown }).toEqual({
      exitCode: 0,
      counts: { completed: 2, failed: 1, cancelled: 0 },
    })
    // What runbooks look for.
    for (const text of [
      'Analysis Executor starting...',
      'Job poller started',
      /Found \d pending jobs/,
      /Job \S{36} completed successfully/,
      /Job \S{36} failed: no/,
    ]) {
      expect(stderr).toMatch(text)
    }
    expect(
      stderr
        .trim()
        .split('\n')
        .map((line) => typeof JSON.parse(line)),
    ).not.toContain('string')
    const plain = await runKiln(args, options)
    expect(plain).toMatchObject({ exitCode: 0 })
    expect(plain.stdout).toMatch(/completed +0/)
  })
})

describe('serve-scheduler', () => {
  it('runs a job that comes later, and on SIGTERM waits for the one that runs', async () => {
    const { kiln, jobId, letGo } = await begunJob()
    const children = descendantsOf(kiln.pid)
    kiln.kill('SIGTERM')
    await letGo()
    const result = await kiln.exited
    expect(result.exitCode).toBe(0)
    expect(JSON.parse(result.stdout)).toEqual({ completed: 1, failed: 0, cancelled: 0 })
    expect(await readJob(pool(), jobId)).toMatchObject({ status: 'completed', result: 'done' })
    expect(survivors(children)).toEqual([])
  })

  it.each(['SIGTERM', 'SIGINT'] as const)(
    'keeps the running scripts from a %s that goes to the whole process group, as Ctrl-C does',
    async (signal) => {
      const { kiln, jobId, letGo } = await begunJob({ isGroup: true })
      process.kill(-kiln.pid, signal)
      await kiln.waitForOutput(/waiting for the running jobs/)
      await letGo()
      expect(await kiln.exited).toMatchObject({ exitCode: 0 })
      expect(await readJob(pool(), jobId)).toMatchObject({ status: 'completed', result: 'done' })
    },
  )

  it('hands running jobs back on the second signal', async () => {
    const { kiln, jobId } = await begunJob()
    const children = descendantsOf(kiln.pid)
    kiln.kill('SIGTERM')
    await waitUntil('it drains', async () => {
      kiln.kill('SIGTERM')
      return (await readJob(pool(), jobId)).status === 'pending'
    })
    await kiln.exited
    expect(await readJob(pool(), jobId)).toMatchObject({ attempt: 1, handed_back_count: 1 })
    expect(await readAttempts(pool(), jobId)).toEqual(['handed_back'])
    await waitUntil('its children are gone', () => survivors(children).length === 0)
  })
})
