/** Outcomes of many jobs in one statement: each stands for itself. */
import { setTimeout as pause } from 'node:timers/promises'
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
import { waitUntil } from '../../support/wait-until.ts'

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

  /** Runs the work while somebody else holds the lock of the rows. */
  async function whileLocked(
    jobs: readonly (ClaimedJob | undefined)[],
    work: () => Promise<void>,
  ): Promise<void> {
    const operator = await test.context.database.pool.connect()
    try {
      await operator.query('begin')
      await operator.query('select from analysis_jobs where id = any ($1) for update', [
        jobs.map((job) => job?.id),
      ])
      await work()
    } finally {
      await operator.query('rollback')
      operator.release()
    }
  }

  const outcomeOf = ({ id, leaseToken }: ClaimedJob) => ({
    lease: { jobId: id, leaseToken },
    outcome: completed,
  })

  it('do not wait for one whose row somebody has locked', async () => {
    const jobs = await claimed(5)
    const batch = new OutcomeBatch(test.context.database.queries, new LeaseTable())
    const isWritten: Record<string, boolean> = {}
    const write = async (job: ClaimedJob) => {
      isWritten[job.id] = await batch.write(outcomeOf(job))
    }
    const writes: Promise<void>[] = []
    const locked = [jobs[1], jobs[2]]
    const others = jobs.filter((job) => !locked.includes(job))
    await whileLocked(locked, async () => {
      writes.push(...jobs.map(write))
      await waitUntil('the others are written', () => Object.keys(isWritten).length === 3)
      expect(isWritten).toEqual(Object.fromEntries(others.map(({ id }) => [id, true])))
      // Not even those that come after it.
      const [next] = await claimed(1)
      if (next) await write(next)
      expect(await row(next)).toMatchObject({ status: 'completed' })
      expect(await row(jobs[1])).toMatchObject({ status: 'running' })
    })
    await Promise.all(writes)
    expect(Object.values(isWritten)).toEqual([true, true, true, true, true, true])
    for (const job of jobs) expect(await row(job)).toMatchObject({ status: 'completed' })
  })

  it('give up a locked row when the executor stops', async () => {
    const [first, second] = await claimed(2)
    if (!first || !second) throw new Error('there is nothing to claim')
    const batch = new OutcomeBatch(test.context.database.queries, new LeaseTable())
    await whileLocked([first], async () => {
      const given = batch.write(outcomeOf(first))
      given.catch(() => undefined)
      await batch.write(outcomeOf(second))
      batch.giveUpLocked(new Error('the executor stops'))
      await expect(given).rejects.toThrow('the executor stops')
      // Its writer tries once more, like any other whose statement failed.
      await expect(batch.write(outcomeOf(first))).rejects.toThrow('the executor stops')
    })
    expect(await row(first)).toMatchObject({ status: 'running' })
  })

  it('do not fail with one that Postgres refuses', async () => {
    const jobs = await claimed(3)
    const written = await writeAll(jobs, [{}, { resultText: 'no json' }, {}])
    expect(written.map((one) => one.status)).toEqual(['fulfilled', 'rejected', 'fulfilled'])
    expect(await row(jobs[1])).toMatchObject({ status: 'running' })
    expect(await row(jobs[2])).toMatchObject({ status: 'completed' })
  })

  it('wait for company while more jobs run here, and for nothing else', async () => {
    const [first, second, third, last] = await claimed(4)
    if (!first || !second || !third || !last) throw new Error('there is nothing to claim')
    const leases = new LeaseTable()
    const holders = [first, second, third].map((job) => ({ lease: outcomeOf(job).lease }))
    for (const holder of holders) leases.add(holder)
    // Nobody waits so long: what is written is written for another reason.
    const batch = new OutcomeBatch(test.context.database.queries, leases, 1_000_000)
    await batch.write(outcomeOf(first))
    const [ended] = holders
    if (ended) leases.remove(ended, true)
    const writes = [batch.write(outcomeOf(second))]
    await pause(1)
    expect(await row(second)).toMatchObject({ status: 'running' })
    writes.push(batch.write(outcomeOf(third)))
    expect(await Promise.all(writes)).toEqual([true, true])
    for (const holder of holders) leases.remove(holder, true)
    expect(await batch.write(outcomeOf(last))).toBe(true)
    const { rows } = await test.context.database.pool.query<{ xmin: string }>(
      'select xmin::text from analysis_jobs where id = any ($1) order by array_position($1, id)',
      [[first.id, second.id, third.id, last.id]],
    )
    const [one, two, three, four] = rows.map(({ xmin }) => xmin)
    expect(two).toBe(three)
    expect(new Set([one, two, four]).size).toBe(3)
  })
})
