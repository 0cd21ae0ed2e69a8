import { copyFileSync, readFileSync, readdirSync } from 'node:fs'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { never, withDuckdb } from '../support/duckdb.ts'
import { type JobCommands, openJobCommands } from '../support/job-commands.ts'

let jobs: JobCommands
beforeAll(async () => {
  jobs = await openJobCommands()
})
afterAll(() => jobs.close())

const add = (result: unknown) =>
  jobs.add({ status: 'completed', result: JSON.stringify(result), completed_at: '2026-01-01' })
const result = (...args: string[]) => jobs.run(['job', 'result', ...args])
const fileOf = (name: string): string => path.join(jobs.core.folder.path, name)

const rows = [
  { id: 1, name: '=1+1', share: 0.1, ok: true, tags: ['a', 'b'], mixed: 1, nothing: null },
  { id: 9007199254740991, name: '\\N', share: 3, ok: null, tags: null, mixed: 'x' },
  { id: -2, name: 'a "quoted"\nline, 日本', share: 1e300, ok: false, mixed: { y: null } },
  { id: 0, name: '2026-01-01', share: -0.5, extra: '00123' },
  { id: 0, name: '' },
]

/** What an independent DuckDB reads in a Parquet file. */
const readParquet = (file: string, sql: string) =>
  withDuckdb(async (duckdb, folder) => {
    copyFileSync(file, path.join(folder, 'rows.parquet'))
    const from = `read_parquet('${path.join(folder, 'rows.parquet')}')`
    return JSON.parse(await duckdb.query(sql.replace('$rows', from), [], {}, never)) as unknown[]
  })

describe('kiln job result --format', () => {
  it('prints the rows alone', async () => {
    const id = await add({ about: 'x', rows: [{ a: 1, b: 'x,y' }, { a: 2 }] })
    const csv = await result(id, '--format', 'csv')
    expect(csv).toMatchObject({ exitCode: 0, stdout: 'a,b\n1,"x,y"\n2,\n', stderr: '' })
    expect(JSON.parse((await result(id, '--format', 'json')).stdout)).toEqual([
      { a: 1, b: 'x,y' },
      { a: 2 },
    ])
    // Also when told to be quiet: this is what was asked for.
    const lines = await result(id, '--format', 'jsonl', '-q')
    expect(lines.stdout).toBe('{"a":1,"b":"x,y"}\n{"a":2}\n')
  })

  it('disarms formulas unless told', async () => {
    const id = await add([{ x: '=cmd()' }])
    expect((await result(id, '--format', 'csv')).stdout).toBe("x\n'=cmd()\n")
    expect((await result(id, '--format', 'csv', '--raw')).stdout).toBe('x\n=cmd()\n')
  })

  it('writes Parquet whose types and values are those of the rows', async () => {
    const id = await add({ rows })
    const file = fileOf('rows.parquet')
    const written = await result(id, '--format', 'parquet', '--file', file, '--json')
    expect(written).toMatchObject({ exitCode: 0, stderr: '' })
    expect(JSON.parse(written.stdout)).toMatchObject({
      job_id: id,
      format: 'parquet',
      file,
      rows: 5,
      total_rows: 5,
      truncated: false,
      size_bytes: readFileSync(file).length,
    })
    const types = await readParquet(
      file,
      'select column_name, column_type from (describe from $rows)',
    )
    const byName = (types as { column_name: string; column_type: string }[]).map(
      ({ column_name, column_type }) => [column_name, column_type],
    )
    expect(Object.fromEntries(byName)).toEqual({
      id: 'BIGINT',
      name: 'VARCHAR',
      share: 'DOUBLE',
      ok: 'BOOLEAN',
      tags: 'VARCHAR',
      mixed: 'VARCHAR',
      nothing: 'VARCHAR',
      extra: 'VARCHAR',
    })
    expect(await readParquet(file, 'from $rows')).toEqual([
      { ...rows[0], tags: '["a","b"]', mixed: '1', extra: null },
      { ...rows[1], nothing: null, extra: null },
      { ...rows[2], tags: null, mixed: '{"y":null}', nothing: null, extra: null },
      { ...rows[3], ok: null, tags: null, mixed: null, nothing: null },
      {
        id: 0,
        name: '',
        share: null,
        ok: null,
        tags: null,
        mixed: null,
        nothing: null,
        extra: null,
      },
    ])
  })

  it('writes at most MAX_EXPORT_ROWS, and warns', async () => {
    const id = await add({ rows })
    const env = { MAX_EXPORT_ROWS: '2' }
    const args = ['job', 'result', id, '--format', 'csv']
    const cut = await jobs.run(args, { env })
    expect(cut.exitCode).toBe(0)
    expect(cut.stdout.split('\n')).toHaveLength(4)
    expect(cut.stderr).toBe(
      'warning: wrote the first 2 of 5 rows; raise MAX_EXPORT_ROWS for more\n',
    )
    const file = fileOf('cut.jsonl')
    const into = await jobs.run(
      ['job', 'result', id, '--format', 'jsonl', '--file', file, '--json'],
      { env },
    )
    expect(JSON.parse(into.stdout)).toMatchObject({ rows: 2, total_rows: 5, truncated: true })
    expect(readFileSync(file, 'utf8').trimEnd().split('\n')).toHaveLength(2)
  })

  it('writes over no file unless forced, and leaves nothing half written', async () => {
    const id = await add([{ a: 1 }])
    const file = fileOf('once.csv')
    const first = await result(id, '--format', 'csv', '--file', file)
    expect(first).toMatchObject({ exitCode: 0, stdout: `wrote 1 row (4 B) to ${file}\n` })
    const again = await result(id, '--format', 'json', '--file', file)
    expect(again).toMatchObject({ exitCode: 73, stdout: '' })
    expect(again.stderr).toContain('[FILE_EXISTS]')
    expect(readFileSync(file, 'utf8')).toBe('a\n1\n')
    await result(id, '--format', 'json', '--file', file, '--force', '-q')
    expect(readFileSync(file, 'utf8')).toBe('[\n{"a":1}\n]\n')
    expect((await result(id, '--format', 'csv', '--file', fileOf('no/folder.csv'))).exitCode).toBe(
      66,
    )
    expect(readdirSync(jobs.core.folder.path).filter((name) => name.endsWith('.tmp'))).toEqual([])
  })

  it('refuses what is no table, and what cannot be printed', async () => {
    const scalar = await add({ total: 3 })
    const refused = await result(scalar, '--format', 'csv')
    expect(refused).toMatchObject({ exitCode: 65, stdout: '' })
    expect(refused.stderr).toContain(`the result of job ${scalar} is no table [RESULT_NOT_ROWS]`)
    const id = await add([{ a: 1, A: 2 }])
    expect((await result(id, '--format', 'parquet')).exitCode).toBe(64)
    expect((await result(id, '--format', 'csv', '--json')).exitCode).toBe(64)
    expect((await result(id, '--file', 'x')).exitCode).toBe(64)
    const twice = await result(id, '--format', 'parquet', '--file', fileOf('twice.parquet'))
    expect(twice.exitCode).toBe(65)
    expect(twice.stderr).toContain('two columns are named')
    const empty = await add({ rows: [] })
    expect(await result(empty, '--format', 'csv')).toMatchObject({ exitCode: 0, stdout: '' })
    const none = await result(empty, '--format', 'parquet', '--file', fileOf('none.parquet'))
    expect(none.stderr).toContain('no columns')
    const running = await jobs.addRunning()
    expect((await result(running, '--format', 'csv')).exitCode).toBe(1)
  })
})
