import { randomUUID } from 'node:crypto'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { expect, it, onTestFinished } from 'vitest'
import { openDatabase } from '../../../src/core/database/index.ts'
import { KilnError } from '../../../src/core/errors/index.ts'
import { ClaimNumbers } from '../../../src/core/executor/claim-numbers.ts'
import { InsertedJobs } from '../../../src/core/executor/inserted-jobs.ts'

const input = {
  analysisId: randomUUID(),
  versionNumber: 1,
  parameters: {},
  triggeredBy: 'analysis',
}

/** Of an executor whose database is away: nothing listens there. */
function openInsertedJobs(stopping: AbortSignal) {
  const target = {
    config: { connectionString: 'postgresql://kiln@127.0.0.1:1/kiln' },
    label: 'nowhere',
    isPrivate: false,
  }
  const database = openDatabase({ target, applicationName: 'kiln test', poolSize: 1 })
  onTestFinished(() => database.close())
  const claims = new ClaimNumbers()
  const jobs = new InsertedJobs({
    queries: database.queries,
    executorId: randomUUID(),
    claims,
    hold: () => {
      throw new Error('nothing was inserted')
    },
    stopping,
  })
  return { jobs, claims }
}

it('a parent whose executor stops hears nothing of its child before it is handed over itself', async () => {
  const [stopping, parent] = [new AbortController(), new AbortController()]
  const { jobs, claims } = openInsertedJobs(stopping.signal)
  let isHeard = false
  const child = jobs.runChild(input, { signal: parent.signal, onStart: () => undefined })
  const heard = child.catch(() => (isHeard = true))

  stopping.abort(new KilnError('TERMINATED', 'the executor stops'))
  await claims.whenIdle()
  await nextTurn()
  expect(isHeard).toBe(false)

  parent.abort(new KilnError('TERMINATED', 'handed over'))
  await heard
})

it('an executor that has stopped inserts nothing more', async () => {
  const { jobs } = openInsertedJobs(
    AbortSignal.abort(new KilnError('TERMINATED', 'the executor stops')),
  )
  await expect(jobs.run(input, {})).rejects.toMatchObject({ code: 'TERMINATED' })
})
