/** `job stats`, `job errors` and `analysis failing`: shapes; the figures have tests of their own. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type JobCommands, openJobCommands } from '../support/job-commands.ts'

let jobs: JobCommands
let failed: string
beforeAll(async () => {
  jobs = await openJobCommands()
  const now = Date.now()
  const started_at = new Date(now - 60_000).toISOString()
  const created_at = new Date(now - 61_000).toISOString()
  const ended = { created_at, run_at: created_at, started_at, execution_time_ms: 1500 }
  await jobs.add({ ...ended, status: 'completed' })
  await jobs.add({ ...ended, status: 'completed' })
  await jobs.add({ ...ended, status: 'completed', created_at: '2026-01-01T00:00:00Z' })
  failed = await jobs.add({
    ...ended,
    status: 'failed',
    completed_at: started_at,
    error_code: 'script_error',
    error_message: 'no row',
  })
})
afterAll(() => jobs.close())

const run = (...args: string[]) => jobs.run(args)

describe('kiln job stats', () => {
  it('prints figures for people and programs', async () => {
    const text = await run('job', 'stats', '--since', '1h')
    expect(text).toMatchObject({ exitCode: 0, stderr: '' })
    expect(text.stdout).toMatch(/^total {9}3$/m)
    expect(text.stdout).toMatch(/^success rate {2}66\.7 %$/m)
    expect(text.stdout).toMatch(/^duration p95 {2}1\.5 s$/m)
    expect(text.stdout).toMatch(/^wait p50 {6}1\.0 s$/m)
    const { since, ...figures } = JSON.parse((await run('job', 'stats', '--json')).stdout)
    expect(Date.parse(since)).toBeLessThan(Date.now() - 86_000_000)
    expect(figures).toEqual({
      total: 3,
      by_status: { pending: 0, running: 0, completed: 2, failed: 1, cancelled: 0 },
      success_rate: 2 / 3,
      duration_p50_ms: 1500,
      duration_p95_ms: 1500,
      wait_p50_ms: 1000,
      wait_p95_ms: 1000,
      waiting: 0,
    })
    const csv = (await run('job', 'stats', '-o', 'csv')).stdout
    expect(csv).toMatch(/^since,total,by_status,success_rate,duration_p50_ms,/)
    expect((await run('job', 'stats', '-o', 'name', '-q')).stdout).toBe('3\n')
  })

  it('takes times as people write them', async () => {
    expect((await run('job', 'stats', '--since', '2026-01-01', '-o', 'name')).stdout).toBe('4\n')
    expect(await run('job', 'stats', '--since', 'yesterday')).toMatchObject({ exitCode: 64 })
    expect(await run('job', 'stats', '--analysis', 'none')).toMatchObject({ exitCode: 66 })
    for (const far of ['99999999d', '0000-01-01', '36501d']) {
      expect(await run('job', 'stats', '--since', far)).toMatchObject({ exitCode: 64 })
    }
    const none = await run('job', 'stats', '--since', '2099-01-01')
    expect(none.stdout).toMatch(/^success rate {2}-$/m)
  })
})

describe('kiln job errors', () => {
  it('prints groups, and the last job of each as its name', async () => {
    const text = await run('job', 'errors')
    expect(text).toMatchObject({ exitCode: 0, stderr: '' })
    expect(text.stdout).toMatch(
      /^COUNT +ANALYSIS +ERROR +LAST +MESSAGE\n1 +test +script_error .* no row\n$/,
    )
    expect((await run('job', 'errors', '-o', 'name')).stdout).toBe(`${failed}\n`)
    expect(JSON.parse((await run('job', 'errors', '--json')).stdout).items).toEqual([
      {
        analysis_name: 'test',
        project_id: 'default',
        error_code: 'script_error',
        error_message: 'no row',
        count: 1,
        last_at: expect.stringMatching(/^\d{4}-.*Z$/),
        last_job_id: failed,
      },
    ])
    expect(await run('job', 'errors', '--project', 'other')).toMatchObject({
      exitCode: 0,
      stdout: '',
      stderr: 'no failed jobs\n',
    })
    expect((await run('job', 'errors', '-o', 'csv')).stdout).toMatch(/^analysis_name,project_id,/)
  })
})

describe('kiln analysis failing', () => {
  it('ends with 1 when there are some, 0 when there are none', async () => {
    const some = await run('analysis', 'failing', '--min-runs', '3', '--threshold', '33')
    expect(some).toMatchObject({ exitCode: 1, stderr: '' })
    expect(some.stdout).toMatch(
      /^NAME +PROJECT +RUNS +FAILED +RATE +LAST +LAST ERROR\ntest .* 33 % .* no row\n$/,
    )
    const json = await run('analysis', 'failing', '--min-runs', '1', '--json')
    expect(json.exitCode).toBe(1)
    expect(JSON.parse(json.stdout).items).toMatchObject([
      { name: 'test', runs: 3, failed: 1, failure_rate: 1 / 3, last_error: 'no row' },
    ])
    expect(await run('analysis', 'failing', '--threshold', '34', '--min-runs', '1')).toMatchObject({
      exitCode: 0,
      stdout: '',
      stderr: 'no analysis fails that often\n',
    })
    expect((await run('analysis', 'failing', '--min-runs', '1', '-o', 'name')).stdout).toBe(
      'test\n',
    )
    expect((await run('analysis', 'failing', '-o', 'name')).stdout).toBe('test\n')
    for (const wrong of [
      ['--threshold', '101'],
      ['--days', '36501'],
    ]) {
      expect(await run('analysis', 'failing', ...wrong)).toMatchObject({ exitCode: 64 })
    }
  })
})
