/** What a script asks of Kiln's own database while that is away: it waits, as outcomes do. */
import { afterAll, beforeAll, expect, it, onTestFinished } from 'vitest'
import { addDatasource } from '../../../src/core/datasources/index.ts'
import { cancelJob } from '../../../src/core/jobs/index.ts'
import { serve } from '../../../src/core/scheduler/index.ts'
import { type TestContext, openTestContext } from '../../support/core-context.ts'
import { type LosingDatabase, openLosingDatabase } from '../../support/losing-database.ts'
import { insertAnalysis, insertJob, readJob } from '../../support/queue.ts'
import { waitUntil } from '../../support/wait-until.ts'

let test: TestContext
beforeAll(async () => {
  test = await openTestContext()
})
afterAll(() => test.close())

const pool = () => test.context.database.pool

function open(isLost: Parameters<typeof openLosingDatabase>[1]): LosingDatabase {
  const database = openLosingDatabase(test.database.connectionString, isLost)
  onTestFinished(() => database.close())
  return database
}

const serveOnce = (database: LosingDatabase) =>
  serve(
    { ...test.context, database },
    {
      programVersion: '0.0.0',
      concurrency: 1,
      once: true,
      firesSchedules: false,
      haste: new AbortController().signal,
    },
  )

it('a script goes on when replies were lost, and its child exists once', async () => {
  await insertAnalysis(pool(), `export default { maxConcurrent: 1, run: () => 1 }`, {
    title: 'child',
    maxConcurrent: 1,
  })
  await addDatasource(test.context, {
    projectId: 'default',
    name: 'numbers',
    source: { type: 'postgres', url: test.database.connectionString },
  })
  const parent = await insertAnalysis(
    pool(),
    `export default { dependencies: { analyses: ['child'], datasources: ['numbers'] }, async run(ctx) {
      await ctx.metadata.set('kept', 2)
      const [{ four }] = await ctx.datasource.numbers.query('select 4 as four')
      return four + (await ctx.metadata.get('kept')) + (await ctx.runAnalysis('child'))
    } }`,
  )
  const id = await insertJob(pool(), parent)
  const statements = [
    /insert into analysis_metadata/,
    /select "value" from "analysis_metadata"/,
    /select "analyses"\."id".*"analyses"\."name" = /,
    /with recursive ancestors/,
    /from "analysis_datasources"/,
  ]
  let isInserting = false
  const database = open((text, lost) => {
    if (/insert into analysis_jobs \(/.test(text)) isInserting = true
    if (isInserting && text === 'commit') return !lost.includes('commit')
    return statements.some((one) => one.test(text) && !lost.some((before) => one.test(before)))
  })
  await serveOnce(database)
  expect(database.lost).toHaveLength(statements.length + 1)
  expect(await readJob(pool(), id)).toMatchObject({ status: 'completed', result: 7 })
  const { rows } = await pool().query(
    'select status, attempt, lost_count from analysis_jobs where parent_job_id = $1',
    [id],
  )
  expect(rows).toEqual([{ status: 'completed', attempt: 1, lost_count: 0 }])
})

const metadataIsAway = (text: string): boolean => /select .* from "analysis_metadata"/.test(text)

it('a script that waits for the database ends with its time limit', async () => {
  const analysisId = await insertAnalysis(
    pool(),
    `export default { limits: { timeoutSeconds: 0.5 }, run: (ctx) => ctx.metadata.get('kept') }`,
  )
  const id = await insertJob(pool(), analysisId)
  await serveOnce(open(metadataIsAway))
  expect(await readJob(pool(), id)).toMatchObject({ status: 'failed', error_code: 'timeout' })
})

it('a script that waits for the database can be cancelled', async () => {
  const analysisId = await insertAnalysis(
    pool(),
    `export default (p, ctx) => ctx.metadata.get('kept')`,
  )
  const id = await insertJob(pool(), analysisId)
  const database = open(metadataIsAway)
  const serving = serveOnce(database)
  await waitUntil('it waits', () => database.lost.length > 0)
  await cancelJob(test.context.database.queries, id, 'enough')
  await serving
  expect(await readJob(pool(), id)).toMatchObject({ status: 'cancelled', lease_token: null })
})
