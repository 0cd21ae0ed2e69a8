/** Every operation of ctx in a job, over real Postgres, DuckDB and sandboxes. */
import { writeFile } from 'node:fs/promises'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { addDatasource } from '../../../src/core/datasources/index.ts'
import { serve } from '../../../src/core/scheduler/index.ts'
import { type TestContext, openTestContext } from '../../support/core-context.ts'
import { insertAnalysis, insertJob, readJob } from '../../support/queue.ts'

let test: TestContext
beforeAll(async () => {
  test = await openTestContext()
  const csv = path.join(test.folder.path, 'airports.csv')
  await writeFile(csv, 'code,height\nOSL,208\nBGO,52\n')
  const context = {
    ...test.context,
    settings: { ...test.context.settings, allowedFileRoots: [test.folder.path] },
  }
  await addDatasource(context, {
    projectId: 'default',
    name: 'airports',
    source: { type: 'file', path: csv, format: undefined },
  })
  await addDatasource(context, {
    projectId: 'default',
    name: 'orders',
    source: { type: 'postgres', url: test.database.connectionString },
  })
})
afterAll(() => test.close())

const pool = () => test.context.database.pool

/** Runs a script that declares both datasources, and what came of its job. */
async function run(body: string, columns: Readonly<Record<string, unknown>> = {}) {
  const analysisId = await insertAnalysis(
    pool(),
    `export default {
      dependencies: { datasources: ['airports', 'orders'] },
      async run(ctx, params) { ${body} },
    }`,
  )
  const id = await insertJob(pool(), analysisId, columns)
  await serve(
    {
      ...test.context,
      settings: { ...test.context.settings, allowedFileRoots: [test.folder.path] },
    },
    { programVersion: '0.0.0', concurrency: 1, once: true, haste: new AbortController().signal },
  )
  const job = await readJob(pool(), id)
  const { rows: lines } = await pool().query<{ level: string; message: string }>(
    'select level, message from analysis_job_logs where job_id = $1 order by line_number',
    [id],
  )
  return { id, analysisId, job, lines }
}

async function resultOf(body: string, columns = {}): Promise<unknown> {
  const { job } = await run(body, columns)
  expect(job.error_message).toBeNull()
  return job.result
}

const collect = (stream: string): string => `const rows = []
  for await (const row of ${stream}) rows.push(row)
  return rows`

describe('ctx.datasource', () => {
  it('queries Postgres by member and by name, with parameters and exact decimals', async () => {
    expect(
      await resultOf(`return [
        await ctx.datasource.orders.query('select $1::int + 1 as n', [41]),
        await ctx.datasource.query('orders', "select date '2026-01-02' as day"),
        await ctx.datasource.orders.query('select 0.1::numeric as price', [], { exact: true }),
        await ctx.datasource.query('orders', 'select 0.1::numeric as price', []),
      ]`),
    ).toEqual([[{ n: 42 }], [{ day: '2026-01-02' }], [{ price: '0.1' }], [{ price: 0.1 }]])
  })

  it('queries a file', async () => {
    expect(
      await resultOf(
        `return ctx.datasource.airports.query('select code from airports where height > $1', [100])`,
      ),
    ).toEqual([{ code: 'OSL' }])
  })

  it.each([
    [`ctx.datasource.orders.stream('select n from generate_series(1, $1) as t(n)', [2500], 1000)`],
    [`ctx.datasource.stream('orders', 'select n from generate_series(1, $1) as t(n)', [2500])`],
    [`ctx.datasource.airports.stream('select n from range(1, 2501) as t(n)')`],
  ])('streams %s', async (stream) => {
    const rows = (await resultOf(collect(stream))) as { n: number }[]
    expect(rows.map(({ n }) => n)).toEqual(Array.from({ length: 2500 }, (_, index) => index + 1))
  })

  it('streams exact decimals, and can be left early', async () => {
    expect(
      await resultOf(`
        for await (const row of ctx.datasource.orders.stream(
          'select n / 10.0 as price from generate_series(1, 1000000) as t(n)', [], 10, { exact: true },
        )) return row`),
    ).toEqual({ price: expect.stringMatching(/^0\.10+$/) })
  })

  it('fails the job with its own code, unless the script catches it', async () => {
    const { job } = await run(`await ctx.datasource.orders.query('select nothing')`)
    expect(job).toMatchObject({ status: 'failed', error_code: 'datasource_error' })
    expect(
      await resultOf(
        `try { await ctx.datasource.orders.query('delete from analyses') }
         catch (error) { return error.code }`,
      ),
    ).toBe('datasource_error')
    const undeclared = await run(`await ctx.datasource.query('others', 'select 1')`)
    expect(undeclared.job.error_code).toBe('dependency_error')
  })
})

describe('ctx.duckdb', () => {
  it('loads, changes, describes, queries and exports', async () => {
    expect(
      await resultOf(`
        const loaded = await ctx.duckdb.load(
          'orders', 'select n, n * 1.5 as price from generate_series(1, $1) as t(n)', 'prices', [3])
        const copied = await ctx.duckdb.load('airports', 'from airports', 'places')
        const changed = await ctx.duckdb.exec('update prices set price = 0 where n > $1', [1])
        const made = await ctx.duckdb.exec('create table empty (a int)')
        return {
          loaded, copied, changed, made,
          tables: (await ctx.duckdb.tables()).map(({ name, kind }) => [name, kind]).sort(),
          columns: await ctx.duckdb.describe('places'),
          rows: await ctx.duckdb.query('select sum(price) as sum from prices where n < $1', [3]),
          exported: Object.keys(await ctx.duckdb.export('prices', 'prices.parquet')).sort(),
          back: await ctx.duckdb.query("select count(*) as n from 'prices.parquet'").catch(({ code }) => code),
        }`),
    ).toEqual({
      loaded: { rowCount: 3 },
      copied: { rowCount: 2 },
      changed: { rowCount: 2 },
      made: { rowCount: 0 },
      tables: [
        ['airports', 'view'],
        ['empty', 'table'],
        ['places', 'table'],
        ['prices', 'table'],
      ],
      columns: [
        { name: 'code', type: 'VARCHAR', isNullable: true },
        { name: 'height', type: 'BIGINT', isNullable: true },
      ],
      rows: [{ sum: 1.5 }],
      exported: ['rowCount', 'sizeBytes'],
      back: expect.anything(),
    })
  })
})

describe('ctx', () => {
  it('knows its job, project and occurrence', async () => {
    const columns = {
      scheduled_for: '2026-03-01T06:00:00Z',
      idempotency_key: 'key',
      triggered_by: 'schedule',
    }
    const { id, job, analysisId } = await run(
      `return { job: ctx.job, analysis: ctx.analysis, project: ctx.project, now: ctx.now }`,
      columns,
    )
    const { rows } = await pool().query('select name from analyses where id = $1', [analysisId])
    expect(job.result).toEqual({
      job: { id, attempt: 1, idempotencyKey: 'key', triggeredBy: 'schedule' },
      analysis: { name: rows[0].name, version: 1 },
      project: { id: 'default' },
      now: '2026-03-01T06:00:00Z',
    })
    const other = await run('return ctx.now')
    expect(other.job.result).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$/)
    const { rows: others } = await pool().query(
      'select $2::timestamptz between created_at and completed_at as is_start from analysis_jobs where id = $1',
      [other.id, other.job.result],
    )
    expect(others).toEqual([{ is_start: true }])
  })

  it('changes no value on its way, whatever its keys are called', async () => {
    const value = '{"__proto__": {"a": 1}, "constructor": [{"__proto__": null}]}'
    const result = await resultOf(`
      const value = JSON.parse('${value}')
      await ctx.metadata.set('odd', value)
      const [row] = await ctx.datasource.orders.query('select $1::jsonb as value', [value])
      const failed = await ctx.metadata.set('half', '\\ud800').catch((error) => error.message)
      return [JSON.stringify(await ctx.metadata.get('odd')), JSON.stringify(row.value), failed]`)
    const text = JSON.stringify(JSON.parse(value))
    expect(result).toEqual([
      text,
      text,
      expect.stringContaining('neither NUL nor half a character'),
    ])
  })

  it('keeps metadata from job to job of one analysis', async () => {
    const { analysisId, job } = await run(`
      const before = await ctx.metadata.get('seen')
      await ctx.metadata.set('seen', { count: (before?.count ?? 0) + 1 })
      return [before, await ctx.metadata.get('seen'), await ctx.metadata.get('other')]`)
    expect(job.result).toEqual([null, { count: 1 }, null])
    const again = await insertJob(pool(), analysisId)
    await serve(test.context, {
      programVersion: '0.0.0',
      concurrency: 1,
      once: true,
      haste: new AbortController().signal,
    })
    expect((await readJob(pool(), again)).result).toEqual([{ count: 1 }, { count: 2 }, null])
    expect(await resultOf(`return ctx.metadata.get('seen')`)).toBeNull()
  })

  it('takes the log and the progress', async () => {
    const { id, lines, job } = await run(`
      ctx.log('plain'); ctx.log.debug('d'); ctx.log.info({ a: 1 }); ctx.log.warn('w'); ctx.log.error('e')
      console.log('console')
      ctx.progress(0.25, 'a quarter')
      await ctx.sleep(1)
      ctx.progress(2)
      return ctx.shouldStop()`)
    expect(lines.map(({ level, message }) => `${level} ${message}`)).toEqual([
      'info plain',
      'debug d',
      'info {"a":1}',
      'warn w',
      'error e',
      'info console',
    ])
    expect(job.logs?.slice(0, 2)).toEqual(['plain', '[debug] d'])
    expect(job.result).toBe(false)
    const { rows } = await pool().query('select progress from analysis_jobs where id = $1', [id])
    // A courtesy that comes once a second; of a job this short it may be missing.
    expect([null, 0.25, 1]).toContain(rows[0].progress)
  })

  it('bounds the log of a job, and says how much is missing', async () => {
    const { lines } = await run('for (let i = 0; i < 12_345; i++) ctx.log(i)')
    expect(lines).toHaveLength(10_001)
    expect(lines.at(-2)?.message).toBe('9999')
    expect(lines.at(-1)).toEqual({
      level: 'warn',
      message: '2345 more log lines were dropped: a job may log 10000 lines and 1.0 MB',
    })
    const large = await run(`for (let i = 0; i < 1000; i++) ctx.log('x'.repeat(5000))`)
    const bytes = large.lines.reduce((sum, { message }) => sum + message.length, 0)
    expect(bytes).toBeLessThan(1024 ** 2 + 200)
    expect(large.lines.at(-1)?.message).toMatch(/^79\d more log lines were dropped/)
  })
})
