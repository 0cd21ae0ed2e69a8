import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type JobCommands, openJobCommands } from '../support/job-commands.ts'

let jobs: JobCommands
beforeAll(async () => {
  jobs = await openJobCommands()
})
afterAll(() => jobs.close())

const del = (...args: string[]) => jobs.run(['analysis', 'delete', ...args])

async function add(name: string): Promise<string> {
  const [row] = await jobs.sql(
    `insert into analyses (name, title, script_content)
     values ($1, $1, 'export default () => 1') returning id`,
    [name],
  )
  return row?.id as string
}

const exists = async (name: string): Promise<boolean> =>
  (await jobs.sql('select 1 from analyses where name = $1', [name])).length === 1

describe('kiln analysis delete', () => {
  it('says what would go and asks, which without a terminal is an error', async () => {
    const id = await add('asked')
    await jobs.add({ analysis_id: id, status: 'completed' })
    await jobs.add({ analysis_id: id })
    const result = await del('asked')
    expect(result).toMatchObject({ exitCode: 64, stdout: '' })
    expect(result.stderr).toContain(
      'delete default/asked (1 version, 2 jobs) needs --yes [CONFIRMATION_MISSING]',
    )
    expect(await exists('asked')).toBe(true)

    const deleted = await del('asked', '--yes', '--json')
    expect(deleted).toMatchObject({ exitCode: 0, stderr: '' })
    expect(JSON.parse(deleted.stdout)).toEqual({
      items: [
        {
          id,
          name: 'asked',
          project_id: 'default',
          outcome: 'deleted',
          versions: 1,
          jobs: 2,
          schedules: 0,
          result_files: 0,
          result_bytes: 0,
          metadata_keys: 0,
          error_code: null,
          error_message: null,
        },
      ],
      next_cursor: null,
    })
    expect(await exists('asked')).toBe(false)
  })

  it('stays while a job of it runs, unless told', async () => {
    const id = await add('busy')
    await jobs.addRunning({ analysis_id: id })
    const refused = await del('busy', '--yes')
    expect(refused.exitCode).toBe(75)
    expect(refused.stderr).toContain('a job is running of the analysis "busy" [ANALYSIS_BUSY]')
    expect(await exists('busy')).toBe(true)
    expect(await del('busy', '--yes', '--force')).toMatchObject({ exitCode: 0 })
    expect(await exists('busy')).toBe(false)
  })

  it('stops the script of a job that it deletes', async () => {
    const file = await jobs.script(
      'endless.js',
      `export default { run(ctx) { ctx.log('begun'); for (;;); } }`,
    )
    const run = jobs.start(['analysis', 'run', file])
    await run.waitForOutput(/begun/)
    expect(await del('endless', '--yes', '--force')).toMatchObject({ exitCode: 0 })
    expect((await run.exited).exitCode).not.toBe(0)
    expect(await exists('endless')).toBe(false)
  })

  it('stays while another declares it, but not while that goes with it', async () => {
    await add('child')
    const parent = await add('parent')
    await jobs.sql(
      `insert into analysis_dependencies (analysis_id, dependency_type, dependency_name)
       values ($1, 'analysis', 'child')`,
      [parent],
    )
    const refused = await del('child', '--yes', '--json')
    expect(refused.exitCode).toBe(65)
    expect(JSON.parse(refused.stderr).error).toMatchObject({
      code: 'ANALYSIS_IN_USE',
      message: 'analyses declare "child": parent',
    })
    expect(await del('child', 'parent', '--yes')).toMatchObject({ exitCode: 0 })
    expect([await exists('child'), await exists('parent')]).toEqual([false, false])
  })

  it('ends with 24 when some are gone and others not there, 66 when none is', async () => {
    await add('last')
    const some = await del('last', randomUUID(), '--yes')
    expect(some.exitCode).toBe(24)
    expect(some.stdout).toMatch(/^last +deleted/m)
    expect((await del('last', '--yes')).exitCode).toBe(66)
    expect((await del('last')).exitCode).toBe(66)
  })
})
