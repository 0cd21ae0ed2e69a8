/** Limits on concurrency under real executors, whose jobs overlap. */
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { findRunnable } from '../../../src/core/analyses/index.ts'
import type { Context } from '../../../src/core/context.ts'
import { KilnError } from '../../../src/core/errors/index.ts'
import { runAnalysis } from '../../../src/core/executor/index.ts'
import { serve } from '../../../src/core/scheduler/index.ts'
import { type TestContext, openTestContext } from '../../support/core-context.ts'
import { insertAnalysis, insertJob, readJob } from '../../support/queue.ts'
import { waitUntil } from '../../support/wait-until.ts'

let test: TestContext
beforeAll(async () => {
  test = await openTestContext()
})
afterAll(() => test.close())

const running: (() => Promise<unknown>)[] = []
afterEach(async () => {
  await Promise.all(running.splice(0).map((stop) => stop()))
  await pool().query('truncate analyses, projects cascade')
})

const pool = () => test.context.database.pool
const statusIs = (id: string, status: string) =>
  waitUntil(`job ${id} is ${status}`, async () => (await readJob(pool(), id)).status === status)

/** A service that runs until the test ends. */
function startService(concurrency: number): void {
  const end = new AbortController()
  const context: Context = { ...test.context, signal: end.signal }
  const ended = serve(context, {
    programVersion: '0.0.0',
    concurrency,
    once: false,
    haste: end.signal,
  })
  running.push(() => {
    end.abort(new KilnError('TERMINATED', 'the test ends'))
    return ended
  })
}

const serveOnce = (concurrency: number) =>
  serve(test.context, {
    programVersion: '0.0.0',
    concurrency,
    once: true,
    haste: new AbortController().signal,
  })

/** As operators make them: nobody has read what the script declares. */
const unread = (script: string, title: string, projectId = 'default') =>
  insertAnalysis(pool(), script, { title, projectId, maxConcurrent: 'unread' })

const limited = (limit: number, body = 'await ctx.sleep(20)') =>
  `export default { maxConcurrent: ${limit}, async run(ctx) { ${body} } }`
/** Runs until the analysis' metadata says "go". */
const untilTold = `while ((await ctx.metadata.get('go')) !== true) await ctx.sleep(5)`
const tell = (analysisId: string) =>
  pool().query(`insert into analysis_metadata values ($1, 'go', 'true')`, [analysisId])

/** The most that ran at one time, as their rows tell. */
async function mostAtOnce(analysisIds: readonly string[]): Promise<number> {
  const { rows } = await pool().query<{ most: number }>(
    `select max(count)::integer as most
     from (
       select count(*) as count
       from analysis_jobs job
       join analysis_jobs other
         on other.started_at <= job.started_at
         and other.completed_at > job.started_at
       where job.analysis_id = any ($1) and other.analysis_id = any ($1)
       group by job.id
     ) as counted`,
    [analysisIds],
  )
  return rows[0]?.most ?? 0
}

async function leftOver(): Promise<unknown> {
  const { rows } = await pool().query(
    `select
       (select count(*) from analysis_jobs where holds_slot or waits_for_slot)::integer as slots,
       (select count(*) from analysis_slot_requests)::integer as requests`,
  )
  return rows[0]
}
const nothing = { slots: 0, requests: 0 }

describe('executors', () => {
  it('together never run more jobs of an analysis than it allows, from its first job on', async () => {
    const id = await unread(limited(2), 'two')
    const free = await unread('export default () => 1', 'free')
    const jobs: string[] = []
    for (let index = 0; index < 16; index += 1) {
      jobs.push(await insertJob(pool(), id), await insertJob(pool(), free))
    }
    startService(3)
    startService(3)
    for (const job of jobs) await statusIs(job, 'completed')
    expect(await mostAtOnce([id])).toBe(2)
    expect(await leftOver()).toEqual(nothing)
  })

  it('together never run more jobs of a project than it allows', async () => {
    const analyses = [
      await unread(limited(5), 'one', 'p'),
      await unread('export default async (p, ctx) => ctx.sleep(20)', 'two', 'p'),
    ]
    await pool().query(`update projects set max_concurrent = 3 where id = 'p'`)
    const jobs: string[] = []
    for (let index = 0; index < 10; index += 1) {
      for (const id of analyses) jobs.push(await insertJob(pool(), id))
    }
    startService(4)
    startService(4)
    for (const job of jobs) await statusIs(job, 'completed')
    expect(await mostAtOnce(analyses)).toBeLessThanOrEqual(3)
    expect(await leftOver()).toEqual(nothing)
  })

  it('run all that waits before they end with --once', async () => {
    const id = await unread(limited(1, ''), 'one')
    for (let index = 0; index < 5; index += 1) await insertJob(pool(), id)
    expect(await serveOnce(3)).toMatchObject({ completed: 5 })
  })

  it('let the next go when one is cancelled by SQL', async () => {
    const id = await unread(limited(1, untilTold), 'one')
    const [first, second] = [await insertJob(pool(), id), await insertJob(pool(), id)]
    startService(2)
    await statusIs(first, 'running')
    await pool().query(`update analysis_jobs set status = 'cancelled' where id = $1`, [first])
    await statusIs(second, 'running')
    await tell(id)
    await statusIs(second, 'completed')
  })

  it('let jobs go when a limit is raised', async () => {
    const id = await unread(`export default async (p, ctx) => { ${untilTold} }`, 'one', 'p')
    await pool().query(`update projects set max_concurrent = 1 where id = 'p'`)
    const [first, second] = [await insertJob(pool(), id), await insertJob(pool(), id)]
    startService(2)
    await statusIs(first, 'running')
    expect(await readJob(pool(), second)).toMatchObject({ status: 'pending' })
    await pool().query(`update projects set max_concurrent = 2 where id = 'p'`)
    await statusIs(second, 'running')
    await tell(id)
  })
})

describe('children', () => {
  const parentOf = (child: string, more = '') => `export default {
    dependencies: { analyses: ['${child}'] }, ${more}
    async run(ctx) { return ctx.runAnalysis('${child}') },
  }`

  it('wait for a slot of their analysis, and take none of their project', async () => {
    const child = await unread(limited(1, 'await ctx.sleep(30); return 7'), 'child', 'p')
    const parent = await unread(parentOf('child'), 'parent', 'p')
    await pool().query(`update projects set max_concurrent = 2 where id = 'p'`)
    const jobs: string[] = []
    for (let index = 0; index < 4; index += 1) jobs.push(await insertJob(pool(), parent))
    startService(4)
    for (const job of jobs) await statusIs(job, 'completed')
    expect((await readJob(pool(), jobs[3] ?? '')).result).toBe(7)
    expect(await mostAtOnce([child])).toBe(1)
    expect(await mostAtOnce([parent])).toBeLessThanOrEqual(2)
    expect(await leftOver()).toEqual(nothing)
  })

  it('do not wait for jobs that wait for the place of their parents', async () => {
    const child = await unread(limited(1, 'return 7'), 'child')
    const parent = await unread(parentOf('child'), 'parent')
    // Both read, and the only slot of the child admitted to a job that nobody has room to run.
    const warm = [await insertJob(pool(), child), await insertJob(pool(), parent)]
    await serveOnce(1)
    for (const job of warm) await statusIs(job, 'completed')
    const parents = [await insertJob(pool(), parent, { priority: 1 })]
    parents.push(await insertJob(pool(), parent, { priority: 1 }))
    const queued = [await insertJob(pool(), child), await insertJob(pool(), child)]
    startService(1)
    for (const job of [...parents, ...queued]) await statusIs(job, 'completed')
    expect(await leftOver()).toEqual(nothing)
  })

  it('are not kept out by a long queue of their analysis', async () => {
    const child = await unread(limited(1, 'await ctx.sleep(10); return 7'), 'child')
    const parent = await unread(parentOf('child'), 'parent')
    const queued: string[] = []
    for (let index = 0; index < 60; index += 1) queued.push(await insertJob(pool(), child))
    startService(2)
    await statusIs(queued[1] ?? '', 'completed')
    const job = await insertJob(pool(), parent, { priority: 5 })
    await statusIs(job, 'completed')
    const { rows } = await pool().query<{ count: number }>(
      `select count(*)::integer as count from analysis_jobs where status = 'pending'`,
    )
    expect(rows[0]?.count).toBeGreaterThan(0)
  })

  it('stop waiting when their parent is cancelled', async () => {
    const child = await unread(limited(1, untilTold), 'child')
    const parent = await unread(parentOf('child'), 'parent')
    const blocker = await insertJob(pool(), child)
    startService(2)
    await statusIs(blocker, 'running')
    const job = await insertJob(pool(), parent)
    await waitUntil('the parent asks for a slot', async () => {
      const { rows } = await pool().query('select from analysis_slot_requests')
      return rows.length === 1
    })
    await pool().query(`update analysis_jobs set status = 'cancelled' where id = $1`, [job])
    await waitUntil('the request is gone', async () => {
      const { rows } = await pool().query('select from analysis_slot_requests')
      return rows.length === 0
    })
    await tell(child)
    await statusIs(blocker, 'completed')
  })
})

describe('analysis run', () => {
  it('is refused beside a job of the queue, and runs when that has ended', async () => {
    const id = await unread(limited(1, `${untilTold}; return 7`), 'one')
    const job = await insertJob(pool(), id)
    startService(1)
    await statusIs(job, 'running')
    const run = async () =>
      runAnalysis(test.context, {
        analysis: await findRunnable(test.context, id),
        parameters: {},
        programVersion: '0.0.0',
        triggeredBy: 'test',
      })
    await waitUntil('the script has been read', async () => {
      const { definition } = await findRunnable(test.context, id)
      return definition !== null
    })
    await expect(run()).rejects.toMatchObject({
      code: 'LIMITS_FULL',
      message: 'the analysis "one" runs at most 1 job at a time',
    })
    await tell(id)
    await statusIs(job, 'completed')
    expect(await run()).toMatchObject({ status: 'completed', resultText: '7' })
    expect(await leftOver()).toEqual(nothing)
  })
})
