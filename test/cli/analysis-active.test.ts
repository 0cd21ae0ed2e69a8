import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type JobCommands, openJobCommands } from '../support/job-commands.ts'

let jobs: JobCommands
beforeAll(async () => {
  jobs = await openJobCommands()
  for (const name of ['one', 'two']) {
    await jobs.sql(
      `insert into analyses (name, title, script_content) values ($1, $1, 'export default () => 1')`,
      [name],
    )
  }
})
afterAll(() => jobs.close())

const analysis = (...args: string[]) => jobs.run(['analysis', ...args])

describe('kiln analysis disable, enable', () => {
  it('keeps an analysis from running, and the error names the way back', async () => {
    const disabled = await analysis('disable', 'one')
    expect(disabled).toMatchObject({ exitCode: 0, stderr: '' })
    expect(disabled.stdout).toBe('ANALYSIS  OUTCOME   PROJECT\none       disabled  default\n')
    const id = await jobs.add({
      status: 'failed',
      analysis_id: (await jobs.sql(`select id from analyses where name = 'one'`))[0]?.id,
    })
    for (const args of [
      ['job', 'retry', id],
      ['analysis', 'run', 'one'],
    ]) {
      const refused = await jobs.run(args)
      expect(refused.exitCode).toBe(65)
      expect(refused.stderr).toContain('enable it: kiln analysis enable one --project default')
    }
    expect((await analysis('list', '--inactive', '-o', 'csv')).stdout).toContain('one')
    expect(await analysis('enable', 'one')).toMatchObject({ exitCode: 0 })
    expect(await jobs.run(['job', 'retry', id])).toMatchObject({ exitCode: 0 })
    expect(
      await jobs.sql(`select action, actor <> '' as is_known from analysis_audit_log
        where target_name = 'default/one' order by id`),
    ).toEqual([
      { action: 'analysis.disable', is_known: true },
      { action: 'analysis.enable', is_known: true },
    ])
  })

  it('is safe to repeat, and tells of each', async () => {
    await analysis('disable', 'one')
    const result = await analysis('disable', 'one', 'two', '--json')
    expect(result).toMatchObject({ exitCode: 0, stderr: '' })
    expect(JSON.parse(result.stdout).items).toMatchObject([
      { name: 'one', outcome: 'already_disabled', project_id: 'default', error_code: null },
      { name: 'two', outcome: 'disabled' },
    ])
    const audit = await jobs.sql(`select 1 from analysis_audit_log
      where target_name = 'default/two' and action = 'analysis.disable'`)
    expect(audit).toHaveLength(1)
    expect((await analysis('enable', 'one', 'two', '-q')).stdout).toBe('')
  })

  it('ends with 24 when one of several is missing, 66 when all are', async () => {
    const some = await analysis('disable', 'nobody', 'two', '--json')
    expect(some.exitCode).toBe(24)
    expect(JSON.parse(some.stderr).error.code).toBe('PARTIAL')
    expect(JSON.parse(some.stdout).items).toMatchObject([
      { id: null, name: 'nobody', outcome: 'not_found', error_code: 'ANALYSIS_NOT_FOUND' },
      { name: 'two', outcome: 'disabled' },
    ])
    const none = await analysis('enable', 'nobody', 'noone')
    expect(none.exitCode).toBe(66)
    expect(none.stderr).toContain('there is no analysis nobody, noone')
    const near = await analysis('enable', 'twoo')
    expect(near.stderr).toContain('did you mean')
    expect((await analysis('enable')).exitCode).toBe(64)
  })
})
