import pg from 'pg'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type TestDatabase, createTestDatabase } from '../support/database.ts'
import { runKiln } from '../support/kiln.ts'
import { insertAnalysis, insertJob } from '../support/queue.ts'

let database: TestDatabase
let pool: pg.Pool
const jobs: Record<string, string> = {}
beforeAll(async () => {
  database = await createTestDatabase()
  pool = new pg.Pool({ connectionString: database.connectionString, max: 2 })
  const alpha = await insertAnalysis(pool, 'export default () => 1', {
    title: 'alpha',
    projectId: 'one',
  })
  const beta = await insertAnalysis(pool, 'export default () => 2', {
    title: 'beta',
    projectId: 'two',
  })
  const at = (day: number) => `2024-01-0${day}T10:00:00.123456Z`
  const esc = String.fromCodePoint(27)
  jobs.done = await insertJob(pool, alpha, {
    status: 'completed',
    result: '[{"b":1,"a":"x,\\"y\\""},{"b":null,"a":"z"}]',
    created_at: at(1),
    completed_at: at(2),
    execution_time_ms: 1500,
  })
  jobs.failed = await insertJob(pool, beta, {
    status: 'failed',
    error_code: 'script_error',
    error_message: `bad ${esc}[31mred${esc}[0m\nsecond line`,
    created_at: at(3),
  })
  jobs.waiting = await insertJob(pool, beta, { created_at: at(4), run_at: '2999-01-01' })
  jobs.cancelled = await insertJob(pool, alpha, { status: 'cancelled', created_at: at(5) })
  await pool.query(
    `insert into analysis_job_logs (job_id, attempt, line_number, level, message, logged_at)
     select $1, 1, n, 'info', 'line ' || n, $2::timestamptz from generate_series(0, 2500) n`,
    [jobs.done, at(1)],
  )
})
afterAll(async () => {
  await pool.end()
  await database.drop()
})

const kiln = (...args: string[]) =>
  runKiln(['job', ...args], { env: { DATABASE_URL: database.connectionString } })
const json = async (...args: string[]) =>
  JSON.parse((await kiln(...args, '--json')).stdout) as never

describe('job list', () => {
  it('shows the newest first, a page at a time', async () => {
    const first: { items: { id: string }[]; next_cursor: string } = await json(
      'list',
      '--limit',
      '3',
    )
    expect(first.items.map(({ id }) => id)).toEqual([jobs.cancelled, jobs.waiting, jobs.failed])
    const second: { items: { id: string }[]; next_cursor: null } = await json(
      'list',
      '--limit=3',
      '--cursor',
      first.next_cursor,
    )
    expect(second.items.map(({ id }) => id)).toEqual([jobs.done])
    expect(second.next_cursor).toBe(null)
  })

  it('filters by status and project', async () => {
    const ids = async (...args: string[]) =>
      (await kiln('list', ...args, '-o', 'name', '-q')).stdout.trim().split('\n')
    expect(await ids('--status', 'failed', '--status', 'cancelled')).toEqual([
      jobs.cancelled,
      jobs.failed,
    ])
    expect(await ids('--project', 'one')).toEqual([jobs.cancelled, jobs.done])
    expect(await ids('--project', 'none')).toEqual([''])
  })

  it('refuses a cursor, limit or status that cannot be', async () => {
    for (const args of [
      ['--cursor', 'x'],
      ['--limit', '0'],
      ['--status', 'odd'],
    ]) {
      expect(await kiln('list', ...args)).toMatchObject({ exitCode: 64, stdout: '' })
    }
  })

  it('in a table keeps one line a job, whatever an error says', async () => {
    const { stdout } = await kiln('list', '-o', 'wide')
    expect(stdout.trim().split('\n').length).toBeLessThanOrEqual(6)
    expect(stdout).not.toContain(String.fromCodePoint(27))
  })
})

describe('job show', () => {
  it('has times in UTC with a zone, durations in ms and names in snake_case', async () => {
    const job: Record<string, unknown> = await json('show', jobs.done ?? '')
    expect(job).toMatchObject({
      id: jobs.done,
      analysis_name: 'alpha',
      project_id: 'one',
      status: 'completed',
      created_at: '2024-01-01T10:00:00.123456Z',
      execution_time_ms: 1500,
      attempts: [],
    })
    expect(Object.keys(job).filter((key) => !/^[a-z_]+$/.test(key))).toEqual([])
  })

  it.each([
    ['00000000-0000-4000-8000-000000000000', 66],
    ['x', 64],
    ["' or 1=1", 64],
  ])('of %s ends with %i', async (id, exitCode) => {
    for (const command of ['show', 'logs', 'result']) {
      expect(await kiln(command, id, '--json')).toMatchObject({ exitCode, stdout: '' })
    }
  })
})

describe('job logs', () => {
  it('prints every line, in order', async () => {
    const { stdout } = await kiln('logs', jobs.done ?? '')
    const lines = stdout.trim().split('\n')
    expect(lines).toHaveLength(2501)
    expect(lines[0]).toBe('10:00:00.123 info  line 0')
    expect(lines.at(-1)).toContain('line 2500')
  })

  it('of a job that logged nothing are nothing', async () => {
    expect(await kiln('logs', jobs.waiting ?? '', '-q')).toMatchObject({
      exitCode: 0,
      stdout: '',
      stderr: '',
    })
  })
})

describe('job result', () => {
  it('is JSON into a pipe, and CSV or a table when asked for', async () => {
    const id = jobs.done ?? ''
    const rows = [
      { b: 1, a: 'x,"y"' },
      { b: null, a: 'z' },
    ]
    expect(JSON.parse((await kiln('result', id)).stdout)).toEqual(rows)
    expect(await json('result', id)).toEqual(rows)
    expect((await kiln('result', id, '-o', 'csv')).stdout.trim().split(/\r?\n/)).toEqual([
      'a,b',
      '"x,""y""",1',
      'z,',
    ])
    expect((await kiln('result', id, '-o', 'table')).stdout).toMatch(/x,"y"/)
  })

  it.each([
    ['failed', 20],
    ['cancelled', 21],
    ['waiting', 1],
  ])('of a job that is %s ends with %i and an empty stdout', async (name, exitCode) => {
    for (const flags of [[], ['--json']]) {
      const result = await kiln('result', jobs[name] ?? '', ...flags)
      expect(result).toMatchObject({ exitCode, stdout: '' })
      expect(result.stderr).not.toContain(String.fromCodePoint(27))
    }
  })
})
