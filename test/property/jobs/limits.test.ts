/**
 * Limits against random orders of what may happen: jobs that are queued, started directly or as
 * children, that end, are cancelled, handed back or lost, that operators hold, let go and put off,
 * while limits come, change and go.
 */
import fc from 'fast-check'
import { afterAll, beforeAll, it } from 'vitest'
import { type TestContext, openTestContext } from '../../support/core-context.ts'
import { addExecutor, declareLimit, insertAnalysis } from '../../support/queue.ts'
import { executors, step } from './limits-steps.ts'
import { World, projects } from './limits-world.ts'

let test: TestContext
const analyses: string[] = []
beforeAll(async () => {
  test = await openTestContext()
  for (const title of ['a', 'b', 'c']) {
    analyses.push(
      await insertAnalysis(pool(), undefined, { title, projectId: title === 'c' ? 'q' : 'p' }),
    )
  }
})
afterAll(() => test.close())

const pool = () => test.context.database.pool

it('never starts more than a limit allows, leaks no slot, and leaves nobody waiting beside a free one', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 15, maxLength: 50 }), async (steps) => {
      await pool().query(
        `truncate analysis_jobs, analysis_executors, analysis_counters, analysis_slot_requests,
           analysis_leases cascade`,
      )
      for (const id of analyses) await declareLimit(pool(), id, null)
      const world = new World(test.context, analyses)
      for (const id of projects) await world.limitProject(id, null)
      for (let index = 0; index < executors; index += 1) {
        world.executors.push(await addExecutor(test.context))
      }
      for (const action of steps) {
        await world.apply(action)
        await world.check(action)
      }
      await world.drain()
    }),
    // Before the time of the test is up, so that a failure names its steps.
    { numRuns: 40, interruptAfterTimeLimit: 45_000 },
  )
})
