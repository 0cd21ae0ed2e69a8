/** An executor whose connection breaks between the commit of a claim and its answer. */
import { afterAll, beforeAll, expect, it, onTestFinished } from 'vitest'
import { Executor, type ScriptRunner, noOpRunner } from '../../../src/core/executor/index.ts'
import { type TestContext, openTestContext } from '../../support/core-context.ts'
import { openThroughProxy } from '../../support/postgres-proxy.ts'
import { insertAnalysis } from '../../support/queue.ts'
import { waitUntil } from '../../support/wait-until.ts'

let test: TestContext
beforeAll(async () => {
  test = await openTestContext()
})
afterAll(() => test.close())

/** An executor that reaches the database through a proxy. */
async function startExecutor(runner: ScriptRunner) {
  const { proxy, database } = await openThroughProxy(test.database.connectionString)
  const end = new AbortController()
  const executor = new Executor(
    { ...test.context, database, signal: end.signal },
    { kind: 'service', concurrency: 2, programVersion: '0', runner },
  )
  onTestFinished(async () => {
    end.abort()
    await executor.stop()
    await database.close()
    await proxy.close()
  })
  await executor.start()
  return { proxy, executor }
}

it.each([false, true])('leaves no job stuck, until empty: %s', async (untilEmpty) => {
  const { pool } = test.context.database
  await pool.query('truncate analyses cascade')
  const { proxy, executor } = await startExecutor(noOpRunner)
  const answerIsLost = proxy.loseAnswer('kiln_claim_jobs')
  await pool.query('insert into analysis_jobs (analysis_id) select $1 from generate_series(1, 5)', [
    await insertAnalysis(pool),
  ])
  const served = executor.serve({ untilEmpty })
  await answerIsLost
  const statuses = async () =>
    (await pool.query('select distinct status from analysis_jobs')).rows.map(({ status }) => status)
  if (untilEmpty) await served
  else await waitUntil('all have ended', async () => (await statuses()).join() === 'completed')
  // Of the attempts that never began nothing is left.
  const { rows } = await pool.query(
    `select job.status, job.attempt, job.lost_count, attempt.outcome, count(*)::integer as jobs
     from analysis_jobs job
     left join analysis_job_attempts attempt on attempt.job_id = job.id
     group by 1, 2, 3, 4`,
  )
  expect(rows).toEqual([
    { status: 'completed', attempt: 1, lost_count: 0, outcome: 'completed', jobs: 5 },
  ])
})

it('begins no job that went back to the queue while it did not hear of it', async () => {
  const { pool } = test.context.database
  await pool.query('truncate analyses cascade')
  const begun: string[] = []
  let open: () => void = () => undefined
  const gate = new Promise<void>((resolve) => (open = resolve))
  const { proxy, executor } = await startExecutor(async (job) => {
    begun.push(job.id)
    if (job.priority === 0) await gate
    return { status: 'completed', resultText: 'null', peakMemoryBytes: 0 }
  })
  // Quick ones, after which others are claimed ahead.
  await pool.query(
    `insert into analysis_jobs (analysis_id, priority)
     select $1, case when number <= 60 then 10 else 0 end
     from generate_series(1, 90) as number`,
    [await insertAnalysis(pool)],
  )
  const answerIsLost = proxy.loseAnswer('as given (id, token)')
  const served = executor.serve({ untilEmpty: true })
  await answerIsLost
  open()
  await served
  expect(begun).toHaveLength(90)
  expect(new Set(begun).size).toBe(90)
})
