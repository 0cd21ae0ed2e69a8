/** The end of a job whose outcome the server does not take at first. */
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import { openDatabase } from '../../../src/core/database/index.ts'
import { endJob } from '../../../src/core/executor/end-job.ts'
import { Interruption } from '../../../src/core/executor/interruption.ts'
import { LeaseTable } from '../../../src/core/executor/lease-table.ts'
import { OutcomeBatch } from '../../../src/core/executor/outcome-batch.ts'
import { claimJobs } from '../../../src/core/jobs/index.ts'
import { openDataFolder } from '../../../src/core/os/index.ts'
import { type TestContext, openTestContext } from '../../support/core-context.ts'
import { addExecutor, insertAnalysis, insertJob, readJob } from '../../support/queue.ts'
import { waitUntil } from '../../support/wait-until.ts'

const applicationName = 'the end of a job'

let test: TestContext
beforeAll(async () => {
  test = await openTestContext()
})
afterAll(() => test.close())

const sql = (text: string, values: unknown[] = []) => test.context.database.pool.query(text, values)

/** For sessions that begin from now on; those of the job's end are ended. */
async function setReadOnly(change: 'set default_transaction_read_only = on' | 'reset all') {
  const { rows } = await sql('select quote_ident(current_database()) as name')
  const [{ name }] = rows as [{ name: string }]
  await sql(`alter database ${name} ${change}`)
  await sql(
    `select pg_terminate_backend(pid) from pg_stat_activity
     where datname = current_database() and application_name = $1`,
    [applicationName],
  )
}

describe('endJob', () => {
  /** The end of a claimed job, over sessions of a server that takes no change. */
  async function endWhileReadOnly(resultText: string, awayLimitMs?: number) {
    const { settings, log } = test.context
    const executorId = await addExecutor(test.context)
    await insertJob(test.context.database.pool, await insertAnalysis(test.context.database.pool))
    const [job] = await claimJobs(test.context.database.queries, executorId, 1)
    if (!job) throw new Error('there is nothing to claim')
    await setReadOnly('set default_transaction_read_only = on')
    const { target } = test.context.database
    const database = openDatabase({ target, applicationName, poolSize: 1 })
    onTestFinished(() => database.close())
    const ending = endJob(
      {
        queries: database.queries,
        batch: new OutcomeBatch(database.queries, new LeaseTable()),
        dataFolder: await openDataFolder(settings.dataDir),
        executorId,
        job,
        mayRetry: true,
        known: { logs: [], peakMemoryBytes: null, startDelayMs: 0, durationMs: 0 },
        log,
        interruption: new Interruption(),
        awayLimitMs,
      },
      { status: 'completed', resultText, peakMemoryBytes: 0 },
    )
    return { job, ending }
  }

  it.each([
    ['in its row', '{"a":1}'],
    ['in a file', JSON.stringify('x'.repeat(300_000))],
  ])('keeps a result %s until the server takes changes again', async (_where, resultText) => {
    const { job, ending } = await endWhileReadOnly(resultText)
    try {
      await waitUntil('the server has refused it', async () => {
        const { rows } = await sql(
          `select from pg_stat_activity
           where datname = current_database() and application_name = $1
             and query <> '' and state like 'idle%'`,
          [applicationName],
        )
        return rows.length > 0
      })
    } finally {
      await setReadOnly('reset all')
    }
    expect(await ending).toMatchObject({ status: 'completed', resultText })
    expect(await readJob(test.context.database.pool, job.id)).toMatchObject({
      status: 'completed',
      error_code: null,
    })
  })

  it('gives the job up after the limit of a command that waits for it', async () => {
    try {
      const { job, ending } = await endWhileReadOnly('1', 1)
      await expect(ending).rejects.toMatchObject({ code: '25006' })
      expect(await readJob(test.context.database.pool, job.id)).toMatchObject({ status: 'running' })
    } finally {
      await setReadOnly('reset all')
    }
  })
})
