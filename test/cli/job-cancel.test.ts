import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { type JobCommands, openJobCommands } from '../support/job-commands.ts'
import { waitUntil } from '../support/wait-until.ts'

let jobs: JobCommands
beforeAll(async () => {
  jobs = await openJobCommands()
})
afterAll(() => jobs.close())
beforeEach(() => jobs.sql('truncate analysis_jobs, analysis_audit_log cascade'))

const cancel = (...args: string[]) => jobs.run(['job', 'cancel', ...args])
const statuses = async () =>
  (await jobs.sql('select status from analysis_jobs order by created_at')).map((row) => row.status)

describe('kiln job cancel', () => {
  it('cancels pending jobs by id and says so', async () => {
    const id = await jobs.add()
    const result = await cancel(id, '--reason', 'wrong month', '--json')
    expect(result).toMatchObject({ exitCode: 0, stderr: '' })
    expect(JSON.parse(result.stdout)).toEqual({
      items: [{ id, outcome: 'cancelled' }],
      next_cursor: null,
    })
    const [row] = await jobs.sql('select status, error_message from analysis_jobs')
    expect(row).toEqual({ status: 'cancelled', error_message: 'wrong month' })
  })

  it('is safe to repeat', async () => {
    const id = await jobs.add()
    await cancel(id)
    const again = await cancel(id)
    expect(again).toMatchObject({ exitCode: 0, stderr: '' })
    expect(again.stdout).toContain('already_cancelled')
  })

  it('ends with 1 when the job had ended, 66 when there is none', async () => {
    const done = await jobs.add({ status: 'completed' })
    const ended = await cancel(done)
    expect(ended).toMatchObject({ exitCode: 1 })
    expect(ended.stderr).toContain(`${done} is already completed`)
    const missing = await cancel(randomUUID(), '--json')
    expect(missing).toMatchObject({ exitCode: 66 })
    expect(JSON.parse(missing.stderr).error.code).toBe('JOB_NOT_FOUND')
  })

  it('ends with 24 when some could not be cancelled, and tells of each', async () => {
    const pending = await jobs.add()
    const done = await jobs.add({ status: 'completed' })
    const missing = randomUUID()
    const result = await cancel(pending, done, missing, '--json')
    expect(result.exitCode).toBe(24)
    expect(JSON.parse(result.stderr).error.code).toBe('PARTIAL')
    expect(
      JSON.parse(result.stdout).items.map((item: { outcome: string }) => item.outcome),
    ).toEqual(['cancelled', 'already_completed', 'not_found'])
    const names = await cancel(pending, done, '-o', 'name')
    expect(names).toMatchObject({ exitCode: 24, stdout: `${pending}\n` })
  })

  it.each([
    ['no job is named', []],
    ['an id is none', ['0b0f9a5e-5e0e-4b8e-9a39-0d3b1c1f2a77', 'nightly']],
    ['ids and a choice are given', ['0b0f9a5e-5e0e-4b8e-9a39-0d3b1c1f2a77', '--stuck', '1h']],
    ['a choice lacks --yes', ['--status', 'pending']],
    ['pending jobs are to be stuck', ['--status', 'pending', '--stuck', '1h', '--yes']],
  ])('cancels nothing when %s', async (_name, args) => {
    const id = await jobs.add({ id: '0b0f9a5e-5e0e-4b8e-9a39-0d3b1c1f2a77' })
    expect(await cancel(...args)).toMatchObject({ exitCode: 64, stdout: '' })
    expect(await statuses()).toEqual(['pending'])
    expect(id).toBe('0b0f9a5e-5e0e-4b8e-9a39-0d3b1c1f2a77')
  })

  it('cancels what is chosen and nothing else', async () => {
    await jobs.add({ created_at: '2026-01-01T00:00:00Z' })
    await jobs.addRunning({ created_at: '2026-01-02T00:00:00Z' })
    await jobs.addRunning({
      created_at: '2026-01-03T00:00:00Z',
      started_at: '2026-01-03T00:00:00Z',
    })
    expect(await cancel('--stuck', '2h', '--yes')).toMatchObject({ exitCode: 0 })
    expect(await statuses()).toEqual(['pending', 'running', 'cancelled'])
    expect(await cancel('--status', 'pending', '--analysis', 'test', '--yes')).toMatchObject({
      exitCode: 0,
    })
    expect(await statuses()).toEqual(['cancelled', 'running', 'cancelled'])
    expect(await cancel('--project', 'other', '--yes')).toMatchObject({
      exitCode: 0,
      stdout: '',
      stderr: 'no job matches\n',
    })
    expect(await cancel('--project', 'default', '--yes', '-q')).toMatchObject({ exitCode: 0 })
    expect(await statuses()).toEqual(['cancelled', 'cancelled', 'cancelled'])
  })
})

describe('a running script', () => {
  /** The query as the script sends it; `pg_stat_activity` has no other that holds the marker. */
  const backends = () =>
    jobs.sql(`select pid from pg_stat_activity where query like 'select pg_sleep(600)%'`)

  beforeAll(async () => {
    const { connectionString } = jobs.core.database
    await jobs.run(
      ['datasource', 'add', 'db', '--project', 'stops', '--type', 'postgres', '--url', '-'],
      { input: connectionString },
    )
    await jobs.script('sleeper.js', 'export default () => new Promise(() => {})')
    const created = await jobs.run(['analysis', 'create', 'sleeper.js', '--project', 'stops'])
    expect(created.exitCode).toBe(0)
  })

  /** Runs a script that never ends until it says that it has begun; returns its job's id. */
  async function begin(name: string, declarations: string, body: string) {
    const file = await jobs.script(
      name,
      `export default { ${declarations} async run(ctx) { ctx.log('begun'); ${body} } }`,
    )
    const kiln = jobs.start(['analysis', 'run', file, '--project', 'stops'])
    await kiln.waitForOutput(/begun/)
    const [row] = await jobs.sql(
      `select id from analysis_jobs where status = 'running' and parent_job_id is null`,
    )
    return { kiln, id: String(row?.id) }
  }

  it.each([
    ['in a loop that never yields', '', 'for (;;);'],
    ['at an await that never ends', '', 'await new Promise(() => {})'],
    [
      'in a query of DuckDB',
      '',
      `await ctx.duckdb.query('select sum(a.range * b.range) as n from range(10000000) a, range(10000000) b')`,
    ],
  ])('is stopped %s', async (_name, declarations, body) => {
    const { kiln, id } = await begin('stopped.js', declarations, body)
    expect(await cancel(id, '--reason', 'enough')).toMatchObject({ exitCode: 0 })
    const ended = await kiln.exited
    expect(ended).toMatchObject({ exitCode: 21, stdout: '' })
    expect(ended.stderr).toContain('enough')
    const [attempt] = await jobs.sql('select outcome from analysis_job_attempts')
    expect(attempt).toEqual({ outcome: 'cancelled' })
  })

  it('is stopped in a query of Postgres, which ends on the server too', async () => {
    const { kiln, id } = await begin(
      'query.js',
      `dependencies: { datasources: ['db'] },`,
      `await ctx.datasource.db.query('select pg_sleep(600)')`,
    )
    await waitUntil('the query runs', async () => (await backends()).length > 0)
    await cancel(id)
    await waitUntil('the query has ended', async () => (await backends()).length === 0)
    expect(await kiln.exited).toMatchObject({ exitCode: 21 })
  })

  it('takes its children with it', async () => {
    const { kiln, id } = await begin(
      'parent.js',
      `dependencies: { analyses: ['sleeper'] },`,
      `await ctx.runAnalysis('sleeper')`,
    )
    const child = await waitUntil('the child runs', async () =>
      (await jobs.sql(`select id from analysis_jobs where parent_job_id = $1`, [id])).at(0),
    )
    await cancel(id)
    expect(await kiln.exited).toMatchObject({ exitCode: 21 })
    const [row] = await jobs.sql('select status from analysis_jobs where id = $1', [child.id])
    expect(row).toEqual({ status: 'cancelled' })
  })

  it('is stopped in a service, which then takes the next job', async () => {
    const [analysis] = await jobs.sql(`select id from analyses where name = 'sleeper'`)
    await jobs.sql('insert into analysis_jobs (analysis_id) values ($1)', [analysis?.id])
    const service = jobs.start(['serve-scheduler', '--once', '--no-http', '--concurrency', '1'])
    await waitUntil('the job runs', async () => (await statuses()).includes('running'))
    const next = await jobs.add()
    expect(await cancel('--status', 'running', '--yes')).toMatchObject({ exitCode: 0 })
    expect(await service.exited).toMatchObject({ exitCode: 0 })
    const [row] = await jobs.sql('select status from analysis_jobs where id = $1', [next])
    expect(row).toEqual({ status: 'completed' })
  })
})
