/** Retries that an analysis asks for, by a real executor. */
import { afterAll, beforeAll, expect, it } from 'vitest'
import { serve } from '../../../src/core/scheduler/index.ts'
import { type TestContext, openTestContext } from '../../support/core-context.ts'
import { insertAnalysis, insertJob, readAttempts, readJob } from '../../support/queue.ts'
import { waitUntil } from '../../support/wait-until.ts'

let test: TestContext
beforeAll(async () => {
  test = await openTestContext()
})
afterAll(() => test.close())

const pool = () => test.context.database.pool

/** Works until the job has ended; a retry falls due while the queue looks empty. */
async function workUntilEnded(jobId: string): Promise<void> {
  const haste = new AbortController().signal
  await waitUntil('the job has ended', async () => {
    await serve(test.context, { programVersion: '0', concurrency: 1, once: true, haste })
    return ['completed', 'failed'].includes((await readJob(pool(), jobId)).status)
  })
}

const script = (limit: number, neededTries: number) => `export default {
  retries: { limit: ${limit}, delaySeconds: 0.01 },
  run(ctx) {
    if (ctx.job.attempt < ${neededTries}) throw new Error('try ' + ctx.job.attempt)
    return ctx.job.attempt
  },
}`

it('runs a failed job again until it completes, each attempt a row', async () => {
  const analysisId = await insertAnalysis(pool(), script(3, 3))
  const jobId = await insertJob(pool(), analysisId)
  await workUntilEnded(jobId)
  expect(await readJob(pool(), jobId)).toMatchObject({ status: 'completed', result: 3, attempt: 3 })
  expect(await readAttempts(pool(), jobId)).toEqual(['failed', 'failed', 'completed'])
})

it('fails for good when the limit is used up', async () => {
  const analysisId = await insertAnalysis(pool(), script(1, 9))
  const jobId = await insertJob(pool(), analysisId)
  await workUntilEnded(jobId)
  expect(await readJob(pool(), jobId)).toMatchObject({
    status: 'failed',
    error_code: 'script_error',
    attempt: 2,
  })
})

it('does not retry without being asked', async () => {
  const analysisId = await insertAnalysis(
    pool(),
    `export default { run() { throw new Error('no') } }`,
  )
  const jobId = await insertJob(pool(), analysisId)
  await workUntilEnded(jobId)
  expect(await readJob(pool(), jobId)).toMatchObject({ status: 'failed', attempt: 1 })
})
