/** An executor that is cut off, loses its job, and comes back while the next attempt runs. */
import { writeFile } from 'node:fs/promises'
import path from 'node:path'
import { afterAll, beforeAll, expect, it, onTestFinished } from 'vitest'
import type { Context } from '../../../src/core/context.ts'
import { addDatasource } from '../../../src/core/datasources/index.ts'
import { getJob, rescueJobs } from '../../../src/core/jobs/index.ts'
import { silentLogger } from '../../../src/core/log/index.ts'
import { readResult } from '../../../src/core/results/index.ts'
import { serve } from '../../../src/core/scheduler/index.ts'
import { type TestContext, openTestContext } from '../../support/core-context.ts'
import { openThroughProxy } from '../../support/postgres-proxy.ts'
import { insertAnalysis, insertJob, readAttempts, readJob } from '../../support/queue.ts'
import { waitUntil } from '../../support/wait-until.ts'

let test: TestContext
let context: Context
beforeAll(async () => {
  test = await openTestContext()
  const settings = { ...test.context.settings, allowedFileRoots: [test.folder.path] }
  context = { ...test.context, settings }
  const file = path.join(test.folder.path, 'airports.csv')
  await writeFile(file, 'code\nOSL\nBGO\n')
  const source = { type: 'file', path: file, format: undefined } as const
  await addDatasource(context, { projectId: 'default', name: 'airports', source })
})
afterAll(() => test.close())

const sql = async (text: string, values: unknown[] = []) =>
  (await test.context.database.pool.query<Record<string, unknown>>(text, values)).rows

/** Runs jobs until `stop`. */
function startService(own: Partial<Context> = {}) {
  const end = new AbortController()
  const haste = new AbortController()
  const ended = serve(
    { ...context, ...own, signal: end.signal },
    { programVersion: '0.0.0', concurrency: 1, once: false, haste: haste.signal },
  )
  const stop = () => {
    end.abort()
    haste.abort()
    return ended
  }
  onTestFinished(async () => void (await stop()))
  return { stop }
}

/** A service that reaches the database by a way that can be cut, and says when it was declared dead. */
async function startFarService() {
  const { proxy, database } = await openThroughProxy(test.database.connectionString)
  onTestFinished(async () => {
    await database.close()
    await proxy.close()
  })
  const errors: string[] = []
  const log = { ...silentLogger, error: (_: object, message: string) => void errors.push(message) }
  const { stop } = startService({ database, log })
  const isFenced = () => errors.includes('this executor was declared dead')
  return { proxy, stop, isFenced }
}

/** The first attempt writes what it can for as long as it may; the second goes on when it is told. */
const parent = `export default {
  dependencies: { datasources: ['airports'], analyses: ['child'] },
  async run(ctx) {
    const { attempt } = ctx.job
    const airports = () => ctx.datasource.airports.query('select code from airports order by code')
    await airports()
    const child = ctx.runAnalysis('child', { attempt })
    while (attempt === 1) {
      ctx.log('late')
      ctx.progress(0.1, 'late')
      await ctx.metadata.set('kept', 1)
      await ctx.sleep(5)
    }
    await ctx.metadata.set('kept', 2)
    ctx.log('second')
    ctx.progress(0.5, 'second')
    while ((await ctx.metadata.get('go')) !== true) await ctx.sleep(10)
    return {
      kept: await ctx.metadata.get('kept'),
      child: await child,
      airports: await airports(),
      filler: 'x'.repeat(300_000),
    }
  },
}`
const child = `export default {
  parameters: { attempt: { type: 'integer', required: true } },
  async run(ctx, { attempt }) {
    await ctx.metadata.set('begun', attempt)
    while ((await ctx.metadata.get('go')) !== true) await ctx.sleep(10)
    return attempt
  },
}`

it('changes nothing of what the next attempt has made, nor stops it', async () => {
  const { pool, queries } = test.context.database
  const parentId = await insertAnalysis(pool, parent, { title: 'parent' })
  const childId = await insertAnalysis(pool, child, { title: 'child' })
  const valueOf = async (analysisId: string, key: string) =>
    (
      await sql('select value from analysis_metadata where analysis_id = $1 and key = $2', [
        analysisId,
        key,
      ])
    )[0]?.value
  const letGo = (analysisId: string) =>
    sql(`insert into analysis_metadata (analysis_id, key, value) values ($1, 'go', 'true')`, [
      analysisId,
    ])

  const far = await startFarService()
  const jobId = await insertJob(pool, parentId)
  await waitUntil('the first attempt writes', async () => (await valueOf(parentId, 'kept')) === 1)
  await waitUntil('its child runs', async () => (await valueOf(childId, 'begun')) === 1)
  const executorId = (await readJob(pool, jobId)).executor_id ?? ''
  far.proxy.freeze()
  await waitUntil('it is declared dead', async () => {
    const [row] = await sql('select beat_count from analysis_executors where id = $1', [executorId])
    return (await rescueJobs(queries, executorId, Number(row?.beat_count))).pending === 1
  })

  startService()
  await waitUntil('the second attempt runs', async () => {
    const [row] = await sql('select progress_message from analysis_jobs where id = $1', [jobId])
    return row?.progress_message === 'second'
  })
  await waitUntil('its child runs', async () => (await valueOf(childId, 'begun')) === 2)
  await waitUntil('its log is stored', async () => (await linesOf(jobId)).includes('2 second'))
  const everything = async () => ({
    job: await readJob(pool, jobId),
    children: await sql('select * from analysis_jobs where parent_job_id = $1 order by id', [
      jobId,
    ]),
    log: await linesOf(jobId),
    metadata: await sql('select * from analysis_metadata order by analysis_id, key'),
    attempts: await readAttempts(pool, jobId),
  })
  const before = await everything()

  // All that the first attempt had on its way arrives now.
  far.proxy.thaw()
  await waitUntil('the first executor knows', far.isFenced)
  await far.stop()
  expect(await everything()).toEqual(before)

  await letGo(parentId)
  await letGo(childId)
  await waitUntil('it has ended', async () => (await readJob(pool, jobId)).status !== 'running')
  const { error_message: error, ...job } = await readJob(pool, jobId)
  expect([job.status, error]).toEqual(['completed', null])
  const result = await readResult(context, await getJob(context, jobId))
  expect(JSON.parse(result)).toMatchObject({
    kept: 2,
    child: 2,
    airports: [{ code: 'BGO' }, { code: 'OSL' }],
  })
  expect(await readAttempts(pool, jobId)).toEqual(['lost', 'completed'])
})

/** Each with its attempt before it. */
const linesOf = async (jobId: string) =>
  (
    await sql(
      `select attempt || ' ' || message as line from analysis_job_logs
       where job_id = $1 order by attempt, line_number`,
      [jobId],
    )
  ).map(({ line }) => line)
