import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { JobLogLine } from '../../src/core/jobs/index.ts'
import { type JobCommands, openJobCommands } from '../support/job-commands.ts'
import { insertLogLines } from '../support/queue.ts'

let jobs: JobCommands
beforeAll(async () => {
  jobs = await openJobCommands()
})
afterAll(() => jobs.close())
beforeEach(() => jobs.sql('truncate analysis_jobs cascade'))

const logs = (...args: string[]) => jobs.run(['job', 'logs', ...args])
const line = (lineNumber: number, change: Partial<JobLogLine> = {}): JobLogLine => ({
  attempt: 1,
  lineNumber,
  level: 'info',
  message: `line ${lineNumber}`,
  loggedAt: `2026-01-01T00:00:0${lineNumber}Z`,
  ...change,
})
const append = (id: string, ...lines: JobLogLine[]) =>
  insertLogLines(jobs.core.context.database.pool, id, lines)
const end = (id: string, status = 'completed') =>
  jobs.sql('update analysis_jobs set status = $2 where id = $1', [id, status])

describe('kiln job logs', () => {
  it('prints lines, filtered by level and time', async () => {
    const id = await jobs.add({ status: 'completed' })
    await append(
      id,
      line(0, { level: 'debug' }),
      line(1),
      line(2, { level: 'warn', message: 'two\nlines \u001b[31m' }),
      line(3, { level: 'error' }),
    )
    expect(await logs(id)).toMatchObject({
      exitCode: 0,
      stderr: '',
      stdout: `00:00:00     debug line 0
00:00:01     info  line 1
00:00:02     warn  two
lines \\u001b[31m
00:00:03     error line 3
`,
    })
    const warnings = await logs(id, '--level', 'warn', '--json')
    expect(JSON.parse(warnings.stdout).items.map((item: JobLogLine) => item.level)).toEqual([
      'warn',
      'error',
    ])
    const late = await logs(id, '--since', '2026-01-01T00:00:03Z', '-o', 'name')
    expect(late.stdout).toBe('1/3\n')
    expect((await logs(id, '-o', 'csv', '--level', 'error')).stdout).toBe(
      'attempt,line_number,level,message,logged_at\n1,3,error,line 3,2026-01-01T00:00:03Z\n',
    )
    const none = await logs(id, '--since', '2026-01-02')
    expect(none).toMatchObject({ exitCode: 0, stdout: '', stderr: 'no log lines\n' })
  })

  it('ends with 66 for no such job and 64 for no id, also with --follow', async () => {
    for (const follow of [[], ['--follow']]) {
      expect(await logs(randomUUID(), ...follow)).toMatchObject({ exitCode: 66 })
      expect(await logs('nightly', ...follow)).toMatchObject({ exitCode: 64 })
    }
  })
})

describe('kiln job logs --follow', () => {
  it.each(['completed', 'failed'])(
    'prints lines as they come until the job is %s',
    async (status) => {
      const id = await jobs.addRunning()
      await append(id, line(0))
      const kiln = jobs.start(['job', 'logs', id, '--follow'])
      await kiln.waitForOutput(/line 0/)
      await append(id, line(1))
      await kiln.waitForOutput(/line 1/)
      await append(id, line(2))
      await end(id, status)
      const result = await kiln.exited
      expect(result).toMatchObject({ exitCode: 0, stderr: '' })
      expect(result.stdout.match(/line \d/g)).toEqual(['line 0', 'line 1', 'line 2'])
    },
  )

  it('prints one JSON object a line, and one header of CSV', async () => {
    const id = await jobs.addRunning()
    await append(id, line(0))
    const json = jobs.start(['job', 'logs', id, '-f', '--json'])
    const csv = jobs.start(['job', 'logs', id, '-f', '-o', 'csv'])
    await json.waitForOutput(/line 0/)
    await csv.waitForOutput(/line 0/)
    await append(id, line(1, { level: 'warn' }))
    await end(id)
    const lines = (await json.exited).stdout.trimEnd().split('\n')
    expect(lines.map((text) => JSON.parse(text))).toEqual([
      {
        attempt: 1,
        line_number: 0,
        level: 'info',
        message: 'line 0',
        logged_at: '2026-01-01T00:00:00Z',
      },
      expect.objectContaining({ line_number: 1, level: 'warn' }),
    ])
    expect((await csv.exited).stdout).toBe(
      `attempt,line_number,level,message,logged_at
1,0,info,line 0,2026-01-01T00:00:00Z
1,1,warn,line 1,2026-01-01T00:00:01Z
`,
    )
  })

  it('follows a script that runs, to its end', async () => {
    const file = await jobs.script(
      'counts.js',
      `export default { async run(ctx) {
  for (let n = 0; n < 20; n += 1) { ctx.log('count ' + n); await ctx.duckdb.query('select 1') }
  return null
} }`,
    )
    const created = await jobs.run(['analysis', 'create', file, '--json'])
    const { id: analysis_id } = JSON.parse(created.stdout) as { id: string }
    const id = await jobs.add({ analysis_id })
    const kiln = jobs.start(['job', 'logs', id, '--follow', '-o', 'name'])
    const service = jobs.start(['serve-scheduler', '--once', '--no-http'])
    const result = await kiln.exited
    expect(result.stdout.trimEnd().split('\n')).toEqual(
      Array.from({ length: 20 }, (_, index) => `1/${index}`),
    )
    expect(await service.exited).toMatchObject({ exitCode: 0 })
  })

  it('ends on Ctrl-C with 130, and the job goes on', async () => {
    const id = await jobs.addRunning()
    await append(id, line(0))
    const kiln = jobs.start(['job', 'logs', id, '--follow'])
    await kiln.waitForOutput(/line 0/)
    kiln.kill('SIGINT')
    expect(await kiln.exited).toMatchObject({ exitCode: 130 })
    expect(await jobs.sql('select status from analysis_jobs')).toEqual([{ status: 'running' }])
  })
})
