/** Outcomes of many jobs in one statement: each stands for itself. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { LeaseTable } from '../../../src/core/executor/lease-table.ts'
import { OutcomeBatch } from '../../../src/core/executor/outcome-batch.ts'
import {
  type ClaimedJob,
  type JobOutcome,
  cancelJob,
  claimJobs,
} from '../../../src/core/jobs/index.ts'
import { type TestContext, openTestContext } from '../../support/core-context.ts'
import { addExecutor, insertAnalysis, insertJob, readJob } from '../../support/queue.ts'

let test: TestContext
let executorId: string
let analysisId: string
beforeAll(async () => {
  test = await openTestContext()
  analysisId = await insertAnalysis(test.context.database.pool)
  executorId = await addExecutor(test.context)
})
afterAll(() => test.close())

async function claimed(count: number): Promise<ClaimedJob[]> {
  const { pool, queries } = test.context.database
  for (let made = 0; made < count; made += 1) await insertJob(pool, analysisId)
  return claimJobs(queries, executorId, count)
}

const completed: JobOutcome = {
  status: 'completed',
  resultText: '1',
  error: null,
  logs: [],
  peakMemoryBytes: null,
  startDelayMs: 0,
  durationMs: 1,
}

function writeAll(jobs: readonly ClaimedJob[], outcomes: readonly Partial<JobOutcome>[]) {
  const batch = new OutcomeBatch(test.context.database.queries, new LeaseTable())
  return Promise.allSettled(
    jobs.map(({ id, leaseToken }, index) =>
      batch.write({
        lease: { jobId: id, leaseToken },
        outcome: { ...completed, ...outcomes[index] },
      }),
    ),
  )
}
const row = (job: ClaimedJob | undefined) => readJob(test.context.database.pool, job?.id ?? '')

describe('outcomes that are written together', () => {
  it('keep each to its own job', async () => {
    const jobs = await claimed(3)
    const error = {
      code: 'script_error',
      message: 'a "quoted" {text}, \\ and\nlines',
      stack: 'at 1',
    }
    await writeAll(jobs, [
      {
        resultText: '{"a":"NULL"}',
        logs: ['first, line', '', 'NULL', '"x"\\'],
        peakMemoryBytes: 5,
      },
      { status: 'failed', resultText: null, error },
      {},
    ])
    expect(await row(jobs[0])).toMatchObject({
      status: 'completed',
      result: { a: 'NULL' },
      logs: ['first, line', '', 'NULL', '"x"\\'],
      peak_memory_bytes: 5,
    })
    expect(await row(jobs[1])).toMatchObject({
      status: 'failed',
      result: null,
      error_code: 'script_error',
      error_message: error.message,
      logs: [],
    })
    expect(await row(jobs[2])).toMatchObject({ status: 'completed', result: 1, error_code: null })
  })

  it('are told apart when one of the leases has ended', async () => {
    const jobs = await claimed(3)
    await cancelJob(test.context.database.queries, jobs[1]?.id ?? '', 'not needed')
    const written = await writeAll(jobs, [])
    expect(written.map((one) => one.status === 'fulfilled' && one.value)).toEqual([
      true,
      false,
      true,
    ])
    expect(await row(jobs[1])).toMatchObject({ status: 'cancelled' })
  })

  it('do not fail with one that Postgres refuses', async () => {
    const jobs = await claimed(3)
    const written = await writeAll(jobs, [{}, { resultText: 'no json' }, {}])
    expect(written.map((one) => one.status)).toEqual(['fulfilled', 'rejected', 'fulfilled'])
    expect(await row(jobs[1])).toMatchObject({ status: 'running' })
    expect(await row(jobs[2])).toMatchObject({ status: 'completed' })
  })
})
