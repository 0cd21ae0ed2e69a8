import { readdirSync } from 'node:fs'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type JobCommands, openJobCommands } from '../support/job-commands.ts'

const script = `export default {
  parameters: [
    { name: 'country', type: 'select', options: ['NO', { value: 'SE', label: 'Sweden' }] },
    { name: 'airport', type: 'select', depends_on: 'country', options: async (ctx, params) => {
      ctx.log.info('asked for', params.country)
      const rows = await ctx.duckdb.query(
        'select code as value, name as label from airports where country = $1 order by code',
        [params.country],
      )
      return [...rows, rows[0]]
    } },
    { name: 'day', type: 'date', default: 'today' },
    { name: 'about', type: 'select', options: (ctx, params) =>
        [ctx.analysis.name, ctx.project.id, ctx.job.triggeredBy, params.day === ctx.now.slice(0, 10)] },
    { name: 'broken', type: 'select', options: () => { throw new TypeError('no luck') } },
    { name: 'endless', type: 'select', options: () => { for (;;); } },
    { name: 'wrong', type: 'select', options: () => ({ a: 1 }) },
    { name: 'nested', type: 'select', options: () => [{ value: [1] }] },
    { name: 'keeps', type: 'select', options: (ctx) => ctx.metadata.set('a', 1) },
    { name: 'calls', type: 'select', options: (ctx) => ctx.runAnalysis('other') },
    { name: 'many', type: 'multiselect', options: () => [3, true, 'x'] },
    { name: 'must', type: 'string', required: true },
  ],
  dependencies: { datasources: ['airports'] },
  limits: { timeoutSeconds: 2 },
  run: () => 1,
}
`

let jobs: JobCommands
beforeAll(async () => {
  jobs = await openJobCommands()
  const csv = await jobs.script(
    'airports.csv',
    'code,name,country\nOSL,Oslo,NO\nBGO,Bergen,NO\nARN,Arlanda,SE\n',
  )
  const added = await jobs.run(['datasource', 'add', 'airports', '--type', 'file', '--path', csv])
  expect(added.exitCode, added.stderr).toBe(0)
  const file = await jobs.script('flights.js', script)
  const created = await jobs.run(['analysis', 'create', file, '--name', 'flights'])
  expect(created.exitCode, created.stderr).toBe(0)
})
afterAll(() => jobs.close())

const options = (...args: string[]) => jobs.run(['analysis', 'options', 'flights', ...args])

describe('kiln analysis options', () => {
  it('answers choices of the definition', async () => {
    expect(await options('country')).toMatchObject({
      exitCode: 0,
      stdout: 'VALUE  LABEL\nNO     NO\nSE     Sweden\n',
      stderr: '',
    })
  })

  it('runs a function with datasources and the values that are given', async () => {
    const result = await options('airport', '-p', 'country=NO', '--json')
    expect(result).toMatchObject({ exitCode: 0, stderr: 'info  asked for NO\n' })
    expect(JSON.parse(result.stdout)).toEqual({
      items: [
        { value: 'BGO', label: 'Bergen' },
        { value: 'OSL', label: 'Oslo' },
      ],
      next_cursor: null,
    })
    expect((await options('airport', '-p', 'country=SE', '-q', '-o', 'name')).stdout).toBe('ARN\n')
  })

  it('knows defaults, needs no others, and keeps the types of values', async () => {
    const about = await options('about', '-p', 'about=old', '-o', 'name')
    expect(about).toMatchObject({ exitCode: 0, stdout: 'flights\ndefault\noptions\ntrue\n' })
    const many = JSON.parse((await options('many', '--json')).stdout)
    expect(many.items).toEqual([
      { value: 3, label: '3' },
      { value: true, label: 'true' },
      { value: 'x', label: 'x' },
    ])
  })

  it.each([
    [
      'broken',
      1,
      'the options function of parameter "broken" failed, script_error: no luck (line 15)',
    ],
    [
      'endless',
      1,
      'the options function of parameter "endless" failed, timeout: execution timeout',
    ],
    ['wrong', 1, 'parameter "wrong" returned no options: options {"a":1} is not a list of options'],
    [
      'nested',
      1,
      'parameter "nested" returned no options: options[0].value [1] is not a text, number or boolean',
    ],
    ['keeps', 1, 'ctx.metadata.set: only a job may keep values'],
    ['calls', 1, 'ctx.runAnalysis: only a job may run jobs'],
    ['day', 65, 'parameter "day" has no options: its type is date'],
    ['airprt', 65, 'there is no parameter "airprt", did you mean "airport"?'],
    ['airport', 65, 'the options of "airport" depend on country, which has no value'],
  ])('refuses %s with %i', async (name, exitCode, message) => {
    const result = await options(name)
    expect(result).toMatchObject({ exitCode, stdout: '' })
    expect(result.stderr).toContain(message)
  })

  it('refuses wrong values of others', async () => {
    const result = await options('airport', '-p', 'country=XX', '--json')
    expect(result.exitCode).toBe(65)
    expect(JSON.parse(result.stderr).error.code).toBe('PARAMETER_INVALID')
  })

  it('leaves no job and no folder behind', async () => {
    expect(await jobs.sql('select 1 from analysis_jobs')).toEqual([])
    const { dataDir } = jobs.core.context.settings
    expect(readdirSync(path.join(dataDir, 'jobs'))).toEqual([])
  })

  it('reads the declarations of an analysis that came by SQL', async () => {
    await jobs.sql(
      `insert into analyses (name, title, script_content) values ('by-sql', 'x', $1)`,
      [
        `export const parameters = { a: { type: 'select', options: () => [1] } }
        export default () => 1`,
      ],
    )
    const result = await jobs.run(['analysis', 'options', 'by-sql', 'a', '-o', 'name'])
    expect(result).toMatchObject({ exitCode: 0, stdout: '1\n' })
    const [version] = await jobs.sql(
      `select definition ->> 'form' as form from analysis_versions
       join analyses on analyses.id = analysis_id where name = 'by-sql'`,
    )
    expect(version).toEqual({ form: 'function' })
  })

  it('runs nothing of a disabled analysis', async () => {
    await jobs.run(['analysis', 'disable', 'flights'])
    expect((await options('country')).exitCode).toBe(0)
    const result = await options('many')
    expect(result.exitCode).toBe(65)
    expect(result.stderr).toContain('[ANALYSIS_INACTIVE]')
  })
})
