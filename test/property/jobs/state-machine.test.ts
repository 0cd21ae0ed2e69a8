/**
 * The queue against random orders of what may happen to a job, one thing at a time and two at once:
 * executors that claim, finish late, lose replies, stall, vanish and come back, and operators who
 * cancel in between.
 */
import fc from 'fast-check'
import { afterAll, beforeAll, it } from 'vitest'
import { type TestContext, openTestContext } from '../../support/core-context.ts'
import { insertAnalysis } from '../../support/queue.ts'
import { Queue } from './state-machine-queue.ts'
import { steps } from './state-machine-steps.ts'

let test: TestContext
let analysisId: string
beforeAll(async () => {
  test = await openTestContext()
  analysisId = await insertAnalysis(test.context.database.pool)
})
afterAll(() => test.close())

it('never gives two leases, never leaves a final state, counts what happened, and lets no job be stuck', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(steps, { minLength: 25, maxLength: 70 }), async (turns) => {
      await test.context.database.pool.query(
        'truncate analysis_jobs, analysis_executors, analysis_counters, analysis_leases cascade',
      )
      const queue = new Queue(test, analysisId)
      await queue.open()
      for (const turn of turns) await queue.apply(turn)
      await queue.drain()
    }),
    // Before the time of the test is up, so that a failure names its steps.
    { numRuns: 30, interruptAfterTimeLimit: 60_000 },
  )
})
