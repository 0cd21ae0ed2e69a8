/** How often a job may be tried, whatever became of its attempts. */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { claimJobs, handBackJobs, rescueJobs } from '../../../src/core/jobs/index.ts'
import { serve } from '../../../src/core/scheduler/index.ts'
import { type TestContext, openTestContext } from '../../support/core-context.ts'
import {
  addExecutor,
  insertAnalysis,
  insertJob,
  readAttempts,
  readJob,
} from '../../support/queue.ts'
import { waitUntil } from '../../support/wait-until.ts'

let test: TestContext
beforeAll(async () => {
  test = await openTestContext()
})
afterAll(() => test.close())
beforeEach(async () => {
  await pool().query('truncate analyses, analysis_executors cascade')
})

const pool = () => test.context.database.pool
const queries = () => test.context.database.queries

/** Claims the only job and lets its executor end in a way. */
async function attempt(end: 'is lost' | 'hands back'): Promise<void> {
  const executor = await addExecutor(test.context)
  expect(await claimJobs(queries(), executor, 1)).toHaveLength(1)
  if (end === 'is lost') await rescueJobs(queries(), executor, 0)
  else await handBackJobs(queries(), executor)
}

describe('a job that is lost', () => {
  it.each([
    // Of max_attempts and max_lost the one that is used up first decides.
    [1, 3, 1],
    [2, 3, 2],
    [null, 3, 4],
    [10, 1, 2],
  ])('with %s attempts and %s losses runs %s times', async (maxAttempts, maxLost, runs) => {
    const id = await insertJob(pool(), await insertAnalysis(pool()), {
      max_attempts: maxAttempts,
      max_lost: maxLost,
    })
    for (let run = 1; run <= runs; run += 1) {
      expect(await readJob(pool(), id)).toMatchObject({ status: 'pending' })
      await attempt('is lost')
    }
    expect(await readJob(pool(), id)).toMatchObject({
      status: 'failed',
      error_code: 'executor_lost',
      attempt: runs,
      lost_count: runs,
    })
  })

  it('does not pay for attempts that were handed back', async () => {
    const id = await insertJob(pool(), await insertAnalysis(pool()), { max_attempts: 2 })
    await attempt('hands back')
    await attempt('hands back')
    await attempt('is lost')
    expect(await readJob(pool(), id)).toMatchObject({ status: 'pending', attempt: 3 })
    await attempt('is lost')
    expect(await readJob(pool(), id)).toMatchObject({ status: 'failed', attempt: 4 })
  })
})

it('bounds the retries that an analysis asks for', async () => {
  const script = `export default {
    retries: { limit: 5, delaySeconds: 0.01 },
    run() { throw new Error('no') },
  }`
  const id = await insertJob(pool(), await insertAnalysis(pool(), script), { max_attempts: 2 })
  const haste = new AbortController().signal
  await waitUntil('the job has failed', async () => {
    await serve(test.context, { programVersion: '0', concurrency: 1, once: true, haste })
    return (await readJob(pool(), id)).status === 'failed'
  })
  expect(await readAttempts(pool(), id)).toEqual(['failed', 'failed'])
})

it('is not limited unless told', async () => {
  const id = await insertJob(pool(), await insertAnalysis(pool()))
  const { rows } = await pool().query('select max_attempts from analysis_jobs where id = $1', [id])
  expect(rows).toEqual([{ max_attempts: null }])
})
