import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type JobCommands, openJobCommands } from '../support/job-commands.ts'

let jobs: JobCommands
beforeAll(async () => {
  jobs = await openJobCommands()
})
afterAll(() => jobs.close())

const compare = (...args: string[]) => jobs.run(['job', 'compare', ...args])
const completed = (result: unknown) =>
  jobs.add({ status: 'completed', result: JSON.stringify(result) })

describe('kiln job compare', () => {
  it('ends with 0 for equal results', async () => {
    const a = await completed({ n: 1, rows: [] })
    const b = await completed({ rows: [], n: 1.0 })
    expect(await compare(a, b)).toMatchObject({
      exitCode: 0,
      stdout: '',
      stderr: 'the results are equal\n',
    })
    expect(JSON.parse((await compare(a, b, '--json')).stdout)).toEqual({
      equal: true,
      difference_count: 0,
      truncated: false,
      items: [],
      next_cursor: null,
    })
    expect(await compare(a, b, '-q')).toMatchObject({ exitCode: 0, stdout: '', stderr: '' })
  })

  it('ends with 1 for different ones, and lists the places', async () => {
    const long = 'x'.repeat(1000)
    const a = await completed({ rows: [{ id: 1, name: '2' }], gone: true })
    const b = await completed({ rows: [{ id: 1, name: 2 }], long })
    const table = await compare(a, b)
    expect(table).toMatchObject({ exitCode: 1, stderr: '' })
    const lines = table.stdout.split('\n').map((line) => line.split(/ {2,}/))
    expect(lines[0]).toEqual(['PATH', 'KIND', 'A', 'B'])
    expect(lines.slice(1, -1)).toEqual([
      ['$.gone', 'removed', 'true'],
      ['$.rows[0].name', 'changed', '"2"', '2'],
      ['$.long', 'added', expect.stringMatching(/^"x{199}…$/)],
    ])
    const { items } = JSON.parse((await compare(a, b, '--json')).stdout)
    expect(items).toContainEqual({
      path: '$.rows[0].name',
      kind: 'changed',
      a: '2',
      b: 2,
      is_cut: false,
    })
    expect(items).toContainEqual(expect.objectContaining({ path: '$.long', a: null, is_cut: true }))
    const names = (await compare(a, b, '-o', 'name')).stdout
    expect(names.split('\n').toSorted()).toEqual(['', '$.gone', '$.long', '$.rows[0].name'])
  })

  it('lists no more than --limit, and says so', async () => {
    const a = await completed([1, 2, 3])
    const b = await completed([4, 5, 6])
    const result = await compare(a, b, '--limit', '2', '--json')
    expect(JSON.parse(result.stdout)).toMatchObject({
      difference_count: 3,
      truncated: true,
      items: [{ path: '$[0]' }, { path: '$[1]' }],
    })
    expect(result.stderr).toBe('2 of 3 differences; more: --limit 3\n')
  })

  it('compares results that are files with the data folder that has them', async () => {
    const file = await jobs.script(
      'big.js',
      `export default { parameters: [{ name: 'last', type: 'number' }],
  run: (ctx, { last }) => ({ rows: [...Array(40000).keys(), last].map((id) => ({ id, name: 'row ' + id })) }) }`,
    )
    const run = async (last: number) =>
      (await jobs.run(['analysis', 'run', file, '-p', `last=${last}`, '-o', 'name'])).stdout.trim()
    const [a, b, c] = [await run(1), await run(1), await run(2)]
    expect(await jobs.sql('select job_id from analysis_result_storage')).toHaveLength(3)
    expect(await compare(a, b)).toMatchObject({ exitCode: 0 })
    const different = await compare(a, c, '-o', 'name')
    expect(different).toMatchObject({
      exitCode: 1,
      stdout: '$.rows[40000].id\n$.rows[40000].name\n',
    })
  })

  it('ends with 65 for a job without a result, 66 for no job, 64 for no id', async () => {
    const a = await completed(1)
    const failed = await compare(a, await jobs.add({ status: 'failed' }), '--json')
    expect(failed).toMatchObject({ exitCode: 65, stdout: '' })
    expect(JSON.parse(failed.stderr).error.code).toBe('RESULT_MISSING')
    expect(await compare(await jobs.add(), a)).toMatchObject({ exitCode: 65 })
    expect(await compare(a, randomUUID())).toMatchObject({ exitCode: 66 })
    expect(await compare(a, 'nightly')).toMatchObject({ exitCode: 64 })
    expect(await compare(a)).toMatchObject({ exitCode: 64 })
  })
})
