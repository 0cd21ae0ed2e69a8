/** Each command that reads jobs, in each format. */
import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type JobCommands, openJobCommands } from '../support/job-commands.ts'

const id = '0b0f9a5e-5e0e-4b8e-9a39-0d3b1c1f2a77'
const other = '6f1c2a3e-93ad-4b8a-8f0e-2f60a3f3d1c4'

let jobs: JobCommands
beforeAll(async () => {
  jobs = await openJobCommands()
  const result = (rows: object[]) => JSON.stringify({ rows })
  await jobs.add({ id, status: 'completed', result: result([{ a: 1, b: 'x, "y"' }]) })
  await jobs.add({ id: other, status: 'completed', result: result([{ a: 2, b: 'x, "y"' }]) })
  await jobs.sql(
    `insert into analysis_job_logs (job_id, attempt, line_number, level, message)
     values ($1, 1, 0, 'info', 'a line, "quoted"')`,
    [id],
  )
  await jobs.sql(
    `insert into analysis_jobs (analysis_id, status, error_code, error_message, completed_at)
     values ($1, 'failed', 'script_error', 'no row', now())`,
    [jobs.analysisId],
  )
})
afterAll(() => jobs.close())

/** Command, what its exit code is, and whether its JSON is a list. */
const commands: readonly (readonly [string, number, boolean])[] = [
  ['job list', 0, true],
  [`job show ${id}`, 0, false],
  [`job wait ${id}`, 0, true],
  [`job logs ${id}`, 0, true],
  [`job logs ${id} --follow`, 0, true],
  [`job compare ${id} ${other}`, 1, true],
  [`job cancel ${id}`, 1, true],
  ['job stats', 0, false],
  ['job errors', 0, true],
  ['analysis failing --min-runs 1', 1, true],
]

describe.each(commands)('kiln %s', (command, exitCode, isList) => {
  const run = (...flags: string[]) => jobs.run([...command.split(' '), ...flags])

  it('prints JSON', async () => {
    const result = await run('--json')
    expect(result.exitCode).toBe(exitCode)
    if (command.includes('--follow')) {
      expect(JSON.parse(result.stdout)).toMatchObject({ line_number: 0 })
      return
    }
    const value = JSON.parse(result.stdout)
    expect(Array.isArray(value.items)).toBe(isList)
    const keys = isList ? Object.keys(value.items[0]) : Object.keys(value)
    expect(keys.filter((key) => !/^[a-z][a-z0-9_]*$/.test(key))).toEqual([])
  })

  it('prints CSV with a header, JSON lines, names, and no remarks with -q', async () => {
    const csv = await run('-o', 'csv')
    expect(csv.exitCode).toBe(exitCode)
    expect(csv.stdout).toMatch(/^[a-z_]+(,[a-z0-9_]+)+\n./)
    const lines = (await run('-o', 'jsonl')).stdout.trimEnd().split('\n')
    expect(lines.map((line) => typeof JSON.parse(line))).toEqual(lines.map(() => 'object'))
    const names = await run('-o', 'name', '-q')
    expect(names.exitCode).toBe(exitCode)
    expect(names.stdout).toMatch(command.includes('cancel') ? /^$/ : /^(\S+\n)+$/)
    expect(exitCode === 0 || /cancel/.test(command) ? '' : names.stderr).toBe('')
  })
})

describe('kiln job result', () => {
  it('prints the value itself, or its rows', async () => {
    const result = (...flags: string[]) => jobs.run(['job', 'result', id, ...flags])
    expect(JSON.parse((await result()).stdout)).toEqual({ rows: [{ a: 1, b: 'x, "y"' }] })
    expect((await result('--json')).stdout).toBe('{"rows":[{"a":1,"b":"x, \\"y\\""}]}\n')
    expect((await result('-o', 'csv')).stdout).toBe('a,b\n1,"x, ""y"""\n')
    expect((await result('-o', 'name', '-q')).stdout).toBe(`${id}\n`)
  })

  it('ends with the code of what became of the job', async () => {
    const exitCode = async (job: string) => (await jobs.run(['job', 'result', job])).exitCode
    expect(await exitCode(await jobs.add())).toBe(1)
    expect(await exitCode(await jobs.add({ status: 'failed' }))).toBe(20)
    expect(await exitCode(await jobs.add({ status: 'cancelled' }))).toBe(21)
    expect(await exitCode(randomUUID())).toBe(66)
    expect(await exitCode('nightly')).toBe(64)
  })
})
