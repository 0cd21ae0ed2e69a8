/** The DuckDB process of a job, and what its account and view leave working. */
import { chmod, mkdir, readdir, writeFile } from 'node:fs/promises'
import { readFileSync, readlinkSync } from 'node:fs'
import path from 'node:path'
import { DuckDBInstance } from '@duckdb/node-api'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { addDatasource } from '../../../src/core/datasources/index.ts'
import { serve } from '../../../src/core/scheduler/index.ts'
import { type TestContext, openTestContext } from '../../support/core-context.ts'
import { descendantsOf } from '../../support/descendants.ts'
import { insertAnalysis, insertJob, readJob } from '../../support/queue.ts'
import { wallsHere } from '../../support/walls.ts'
import { query } from '../../support/test-server.ts'

let test: TestContext
let sources: string
beforeAll(async () => {
  test = await openTestContext()
  sources = path.join(test.folder.path, 'sources')
  await mkdir(sources, { mode: 0o711 })
  const instance = await DuckDBInstance.create(path.join(sources, 'warehouse.duckdb'))
  const connection = await instance.connect()
  await connection.run('create table t as select 42 as a')
  connection.closeSync()
  instance.closeSync()
  await chmod(path.join(sources, 'warehouse.duckdb'), 0o644)
  await writeFile(path.join(sources, 'birds.csv'), 'name,n\nwren,3\nowl,4\n', { mode: 0o600 })
  const context = {
    ...test.context,
    settings: { ...test.context.settings, allowedFileRoots: [sources] },
  }
  const add = (name: string, source: Parameters<typeof addDatasource>[1]['source']) =>
    addDatasource(context, { projectId: 'default', name, source })
  await add('warehouse', { type: 'duckdb', path: path.join(sources, 'warehouse.duckdb') })
  await add('birds', { type: 'file', path: path.join(sources, 'birds.csv'), format: undefined })
  await add('shop', { type: 'postgres', url: test.database.connectionString })
  await query(
    test.database.connectionString,
    'create table numbers as select n from generate_series(1, 1000) as n',
  )
})
afterAll(() => test.close())

const serveOnce = () => {
  const context = {
    ...test.context,
    settings: { ...test.context.settings, allowedFileRoots: [sources] },
  }
  return serve(context, {
    programVersion: '0.0.0',
    concurrency: 1,
    once: true,
    haste: new AbortController().signal,
  })
}

const script = `export default {
  dependencies: { datasources: ['warehouse', 'birds', 'shop'] },
  async run(ctx) {
    const own = await ctx.duckdb.query('select 1 as a')
    const warehouse = await ctx.datasource.warehouse.query('select a from t')
    const birds = await ctx.datasource.birds.query('select sum(n) as n from birds')
    const load = await ctx.duckdb.load('shop', 'select n from numbers', 'numbers')
    const loaded = await ctx.duckdb.query('select sum(n)::integer as n from numbers')
    const copied = await ctx.duckdb.load('warehouse', 'select a from t', 'copied')
    const exported = await ctx.duckdb.export('numbers', 'numbers.parquet')
    const back = await ctx.duckdb.query("select count(*)::integer as n from read_parquet('numbers.parquet')")
    return { own, warehouse, birds, load, loaded, copied, rows: exported.rowCount, back }
  },
}`

describe.runIf(process.platform === 'linux')('a DuckDB process of a job', () => {
  it('reads and writes all it may behind its walls', async () => {
    const analysis = await insertAnalysis(test.context.database.pool, script)
    const job = await insertJob(test.context.database.pool, analysis)
    await serveOnce()
    const { status, result, error_message } = await readJob(test.context.database.pool, job)
    expect(error_message).toBeNull()
    expect(status).toBe('completed')
    expect(result).toEqual({
      own: [{ a: 1 }],
      warehouse: [{ a: 42 }],
      birds: [{ n: 7 }],
      load: { rowCount: 1000 },
      loaded: [{ n: 500500 }],
      copied: { rowCount: 1 },
      rows: 1000,
      back: [{ n: 1000 }],
    })
    expect(await readdir(path.join(test.context.settings.dataDir, 'jobs'))).toEqual([])
  })

  it('runs under an account of its own, and in a view of its own', async () => {
    const seen: { uid: number; hasNetwork: boolean }[] = []
    const { pool } = test.context.database
    const analysis = await insertAnalysis(
      pool,
      `export default async (_params, ctx) => {
        await ctx.duckdb.query('select 1')
        await ctx.metadata.set('ready', true)
        for (;;) { if (await ctx.metadata.get('seen')) return 1; await ctx.sleep(20) }
      }`,
    )
    const job = await insertJob(pool, analysis)
    const served = serveOnce()
    const look = async (): Promise<boolean> => {
      const { rows } = await pool.query('select 1 from analysis_metadata where analysis_id = $1', [
        analysis,
      ])
      return rows.length > 0
    }
    await expect.poll(look).toBe(true)
    for (const pid of descendantsOf(process.pid)) {
      const maps = readFileSync(`/proc/${pid}/maps`, 'utf8')
      if (!maps.includes('libduckdb')) continue
      const status = readFileSync(`/proc/${pid}/status`, 'utf8')
      seen.push({
        uid: Number(/^Uid:\s+(\d+)/m.exec(status)?.[1]),
        hasNetwork: readlinkSync(`/proc/${pid}/ns/net`) === readlinkSync('/proc/self/ns/net'),
      })
    }
    await pool.query(
      `insert into analysis_metadata (analysis_id, key, value) values ($1, 'seen', 'true')`,
      [analysis],
    )
    await served
    expect((await readJob(pool, job)).status).toBe('completed')
    expect(seen).toHaveLength(1)
    const { account, view } = await wallsHere()
    if (account.kind === 'own') expect(seen[0]?.uid).toBeGreaterThanOrEqual(61_184)
    expect(seen[0]?.hasNetwork).toBe(view.kind === 'none')
  })

  it('keeps our account where another cannot read an attached file', async () => {
    const { pool } = test.context.database
    const file = path.join(sources, 'warehouse.duckdb')
    await chmod(file, 0o600)
    try {
      const analysis = await insertAnalysis(pool, script)
      const job = await insertJob(pool, analysis)
      await serveOnce()
      expect(await readJob(pool, job)).toMatchObject({ status: 'completed', error_message: null })
    } finally {
      await chmod(file, 0o644)
    }
  })
})
