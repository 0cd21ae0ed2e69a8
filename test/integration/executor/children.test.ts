/** ctx.runAnalysis, over a real database and real sandboxes. */
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { cancelJob } from '../../../src/core/jobs/index.ts'
import { serve } from '../../../src/core/scheduler/index.ts'
import { type TestContext, openTestContext } from '../../support/core-context.ts'
import { insertAnalysis, insertJob, readJob } from '../../support/queue.ts'
import { waitUntil } from '../../support/wait-until.ts'

let test: TestContext
beforeAll(async () => {
  test = await openTestContext()
})
afterAll(() => test.close())
afterEach(() => pool().query('truncate analyses cascade'))

const pool = () => test.context.database.pool
const serveOnce = (concurrency = 2) =>
  serve(test.context, {
    programVersion: '0.0.0',
    concurrency,
    once: true,
    haste: new AbortController().signal,
  })

/** An analysis that is known by its name. */
const add = (name: string, body: string, analyses: readonly string[] = [], more = '') =>
  insertAnalysis(
    pool(),
    `export default { ${more} dependencies: { analyses: ${JSON.stringify(analyses)} },
      async run(ctx, params) { ${body} } }`,
    { title: name },
  )

const childrenOf = async (id: string) =>
  (
    await pool().query<Record<string, unknown>>(
      `select job.status, job.error_code, job.result, job.triggered_by, job.version_number,
         job.parameters, analyses.name
       from analysis_jobs job join analyses on analyses.id = job.analysis_id
       where parent_job_id = $1 order by job.created_at`,
      [id],
    )
  ).rows

/** Runs one job of an analysis to its end. */
async function run(analysisId: string, columns = {}) {
  const id = await insertJob(pool(), analysisId, columns)
  await serveOnce()
  const { status, result, error_code, error_message } = await readJob(pool(), id)
  return { id, status, result, error_code, error_message }
}

describe('ctx.runAnalysis', () => {
  it('returns what the child returns, whose job is a row below its parent', async () => {
    await add(
      'child',
      'return { doubled: 2 * params.n }',
      [],
      `parameters: { n: { type: 'integer', required: true } },`,
    )
    const parent = await add(
      'parent',
      `return (await ctx.runAnalysis('child', { n: 21 })).doubled`,
      ['child'],
    )
    const { id, result } = await run(parent)
    expect(result).toBe(42)
    expect(await childrenOf(id)).toEqual([
      {
        name: 'child',
        status: 'completed',
        error_code: null,
        result: { doubled: 42 },
        triggered_by: 'analysis',
        version_number: 1,
        parameters: { n: 21 },
      },
    ])
  })

  it.each([
    ['fails', `throw new TypeError('no luck')`, `analysis "child" failed: TypeError: no luck`],
    ['takes other parameters', 'return 1', 'analysis "child" failed: parameter "n" is unknown'],
  ])('rejects when the child %s, which the parent may catch', async (_what, body, message) => {
    await add('child', body, [], 'parameters: {},')
    const call = `await ctx.runAnalysis('child', ${body.startsWith('throw') ? '{}' : '{ n: 1 }'})`
    const lets = await add('lets', call, ['child'])
    const failed = await run(lets)
    expect(failed).toMatchObject({ status: 'failed', error_code: 'dependency_error' })
    expect(failed.error_message).toContain(message)
    const catches = await add('catches', `try { ${call} } catch (error) { return error.code }`, [
      'child',
    ])
    expect(await run(catches)).toMatchObject({ status: 'completed', result: 'dependency_error' })
  })

  it.each([
    ['is not declared', [], 'analysis "child" is not declared in dependencies.analyses'],
    ['is gone', ['child'], 'there is no analysis "child" in project "default"'],
  ])('rejects an analysis that %s', async (_what, declared, message) => {
    const parent = await add('parent', `await ctx.runAnalysis('child')`, declared)
    const { id, ...failed } = await run(parent)
    expect(failed).toMatchObject({ status: 'failed', error_code: 'dependency_error' })
    expect(failed.error_message).toContain(message)
    expect(await childrenOf(id)).toEqual([])
  })

  it('may wait for the row of its parent, while the executor goes on beating', async () => {
    await add('child', 'return 1')
    const parent = await add(
      'parent',
      `await ctx.metadata.set('begun', true)
       while ((await ctx.metadata.get('go')) !== true) await ctx.sleep(10)
       return ctx.runAnalysis('child')`,
      ['child'],
    )
    const id = await insertJob(pool(), parent)
    const service = serveOnce()
    const metadata = (key: string) =>
      pool().query('select from analysis_metadata where key = $1', [key])
    await waitUntil('the parent runs', async () => (await metadata('begun')).rowCount === 1)
    const operator = await pool().connect()
    try {
      await operator.query('begin')
      await operator.query('select from analysis_jobs where id = $1 for update', [id])
      await pool().query(
        `insert into analysis_metadata (analysis_id, key, value) values ($1, 'go', 'true')`,
        [parent],
      )
      await waitUntil('the child waits for the row', async () => {
        const { rows } = await pool().query(
          `select from pg_stat_activity
           where wait_event_type = 'Lock' and query like '%analysis_jobs%'`,
        )
        return rows.length > 0
      })
      const beats = async () => {
        const { rows } = await pool().query<{ beats: number }>(
          'select max(beat_count)::integer as beats from analysis_executors where stopped_at is null',
        )
        return rows[0]?.beats ?? 0
      }
      const before = await beats()
      await waitUntil('it has beaten twice', async () => (await beats()) >= before + 2)
      expect(await childrenOf(id)).toEqual([])
    } finally {
      await operator.query('rollback')
      operator.release()
    }
    await service
    expect(await readJob(pool(), id)).toMatchObject({ status: 'completed', result: 1, attempt: 1 })
  })

  it('refuses a circle that SQL has made', async () => {
    await add('b', `return ctx.runAnalysis('a')`, ['a'])
    const a = await add('a', `return ctx.runAnalysis('b')`, ['b'])
    const { id, ...failed } = await run(a)
    expect(failed.error_message).toContain('analysis "a" is running itself in a circle')
    expect(await childrenOf(id)).toMatchObject([{ name: 'b', error_code: 'dependency_error' }])
    const self = await add('self', `return ctx.runAnalysis('self')`, ['self'])
    expect((await run(self)).error_message).toContain('is running itself in a circle')
  })

  it('goes five levels down and no further', async () => {
    await add('level-6', 'return 6')
    for (let level = 5; level >= 0; level -= 1) {
      const next = `level-${level + 1}`
      await add(`level-${level}`, `return ctx.runAnalysis('${next}')`, [next])
    }
    const idOf = async (name: string): Promise<string> =>
      (await pool().query<{ id: string }>('select id from analyses where name = $1', [name]))
        .rows[0]?.id ?? ''
    expect(await run(await idOf('level-1'))).toMatchObject({ status: 'completed', result: 6 })
    const failed = await run(await idOf('level-0'))
    expect(failed).toMatchObject({ status: 'failed', error_code: 'dependency_error' })
    expect(failed.error_message).toContain('analyses call each other more than 5 deep')
  })

  it('never waits for its own place: parents fill the executor, each with many children', async () => {
    await add(
      'leaf',
      'await ctx.sleep(5); return params.n',
      [],
      `parameters: { n: { type: 'integer' } },`,
    )
    await add(
      'middle',
      `return (await Promise.all([1, 2, 3].map((n) => ctx.runAnalysis('leaf', { n })))).length`,
      ['leaf'],
    )
    const root = await add(
      'root',
      `return (await Promise.all([1, 2, 3].map(() => ctx.runAnalysis('middle')))).length`,
      ['middle'],
    )
    const ids = await Promise.all([1, 2, 3].map(() => insertJob(pool(), root)))
    expect(await serveOnce(2)).toMatchObject({ completed: 3, failed: 0 })
    for (const id of ids) expect((await readJob(pool(), id)).result).toBe(3)
    const { rows } = await pool().query<{ name: string; count: number; together: number }>(
      `select analyses.name, count(*)::integer as count, max(together.count)::integer as together
       from analysis_jobs job
       join analyses on analyses.id = job.analysis_id
       cross join lateral (
         select count(*) from analysis_jobs other
         where other.analysis_id = job.analysis_id
           and other.started_at <= job.started_at and other.completed_at > job.started_at
       ) together
       group by 1 order by 1`,
    )
    expect(rows.map(({ name, count }) => [name, count])).toEqual([
      ['leaf', 27],
      ['middle', 9],
      ['root', 3],
    ])
    // Each level has as many places as the executor: no flood of processes. The executor's own jobs
    // begin when a script has ended, which is before its outcome is written.
    for (const { name, together } of rows) {
      if (name !== 'root') expect(together).toBeLessThanOrEqual(2)
    }
  })

  const begun = () =>
    waitUntil(
      'the child runs',
      async () =>
        (await pool().query(`select from analysis_metadata where key = 'begun'`)).rows.length > 0,
    )

  it('ends the children of a parent that is cancelled', async () => {
    await add('endless', `await ctx.metadata.set('begun', true); for (;;);`)
    const parent = await add('parent', `return ctx.runAnalysis('endless')`, ['endless'])
    const id = await insertJob(pool(), parent)
    const served = serveOnce()
    await begun()
    await cancelJob(test.context.database.queries, id, 'enough')
    await served
    expect(await childrenOf(id)).toMatchObject([{ name: 'endless', status: 'cancelled' }])
  })

  it('ends the children of a parent that did not wait for them', async () => {
    await add('endless', `await ctx.metadata.set('begun', true); for (;;);`)
    const careless = await add(
      'careless',
      `ctx.runAnalysis('endless').catch(() => 0)
       while (!(await ctx.metadata.get('go'))) await ctx.sleep(10)
       return 'left'`,
      ['endless'],
    )
    const id = await insertJob(pool(), careless)
    const served = serveOnce()
    await begun()
    await pool().query(
      `insert into analysis_metadata (analysis_id, key, value) values ($1, 'go', 'true')`,
      [careless],
    )
    await served
    expect(await readJob(pool(), id)).toMatchObject({ status: 'completed', result: 'left' })
    expect(await childrenOf(id)).toMatchObject([{ name: 'endless', status: 'cancelled' }])
  })
})
