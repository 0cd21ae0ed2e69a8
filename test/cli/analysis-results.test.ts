import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type JobCommands, openJobCommands } from '../support/job-commands.ts'

let jobs: JobCommands
let name: string
beforeAll(async () => {
  jobs = await openJobCommands()
  const [row] = await jobs.sql('select name from analyses where id = $1', [jobs.analysisId])
  name = row?.name as string
})
afterAll(() => jobs.close())

const results = (...args: string[]) => jobs.run(['analysis', 'results', name, ...args])
const day = (number: number): string => `2026-01-0${number}T00:00:00Z`

describe('kiln analysis results', () => {
  it('has nothing to list at first', async () => {
    expect(await results()).toMatchObject({ exitCode: 0, stdout: '', stderr: 'no results\n' })
    expect(JSON.parse((await results('--json')).stdout)).toEqual({ items: [], next_cursor: null })
  })

  it('lists what completed jobs returned, newest first, a page at a time', async () => {
    const completed = (number: number, columns = {}) =>
      jobs.add({
        status: 'completed',
        created_at: day(number),
        completed_at: day(number),
        execution_time_ms: 1500,
        version_number: 1,
        ...columns,
      })
    const inline = await completed(1, { result: '{"a": [1, 2]}', parameters: '{"top": 3}' })
    const nothing = await completed(2, { result: 'null' })
    const deleted = await completed(3)
    const file = await completed(4)
    const dataFolderId = randomUUID()
    await jobs.sql(
      `insert into analysis_result_storage (job_id, storage_path, size_bytes, checksum, data_folder_id, row_count)
       values ($1, 'results/x.json.gz', 300000, '', $2, 7)`,
      [file, dataFolderId],
    )
    await jobs.add({ status: 'failed', created_at: day(5) })
    await jobs.add()

    const all = JSON.parse((await results('--json')).stdout)
    expect(all.next_cursor).toBeNull()
    expect(all.items).toMatchObject([
      {
        job_id: file,
        storage: 'file',
        size_bytes: 300_000,
        row_count: 7,
        data_folder_id: dataFolderId,
      },
      { job_id: deleted, storage: 'deleted', size_bytes: null, row_count: null },
      { job_id: nothing, storage: 'inline', size_bytes: 4 },
      {
        job_id: inline,
        storage: 'inline',
        size_bytes: 13,
        version_number: 1,
        parameters: { top: 3 },
        execution_time_ms: 1500,
        completed_at: day(1),
        data_folder_id: null,
      },
    ])

    const page = JSON.parse((await results('--limit', '3', '--json')).stdout)
    expect(page.items).toEqual(all.items.slice(0, 3))
    const rest = await results('--limit', '3', '--cursor', page.next_cursor, '-o', 'name')
    expect(rest.stdout).toBe(`${inline}\n`)
    const some = await results('--since', day(2), '--until', day(4), '-o', 'name')
    expect(some.stdout).toBe(`${deleted}\n${nothing}\n`)
    const table = await results()
    expect(table.stdout).toMatch(/^JOB +COMPLETED +VERSION +TOOK +SIZE +STORAGE +PARAMETERS\n/)
    expect(table.stdout).toContain('{"top":3}')
  })

  it('refuses a cursor of its own making, and an analysis that is not there', async () => {
    expect((await results('--cursor', 'x')).exitCode).toBe(64)
    expect((await jobs.run(['analysis', 'results', 'nobody'])).exitCode).toBe(66)
  })
})
