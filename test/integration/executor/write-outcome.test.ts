import { existsSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type EndedOutcome, runJob } from '../../../src/core/executor/run-job.ts'
import { VersionCache } from '../../../src/core/executor/version-cache.ts'
import { type SandboxPool, SandboxUnavailableError } from '../../../src/core/sandbox/index.ts'
import { LeaseTable } from '../../../src/core/executor/lease-table.ts'
import { OutcomeBatch } from '../../../src/core/executor/outcome-batch.ts'
import { writeOutcome } from '../../../src/core/executor/write-outcome.ts'
import { type ClaimedJob, claimJobs, rescueJobs } from '../../../src/core/jobs/index.ts'
import { type DataFolder, openDataFolder } from '../../../src/core/os/index.ts'
import { type TestContext, openTestContext } from '../../support/core-context.ts'
import {
  addExecutor,
  insertAnalysis,
  insertJob,
  readAttempts,
  readJob,
} from '../../support/queue.ts'

let test: TestContext
let dataFolder: DataFolder
let executorId: string
beforeAll(async () => {
  test = await openTestContext()
  dataFolder = await openDataFolder(test.context.settings.dataDir)
  executorId = await addExecutor(test.context)
})
afterAll(() => test.close())

async function claimed(columns = {}): Promise<ClaimedJob> {
  const { database } = test.context
  await insertJob(database.pool, await insertAnalysis(database.pool), columns)
  return claimNext()
}

async function claimNext(): Promise<ClaimedJob> {
  const { database } = test.context
  const [job] = await claimJobs(database.queries, executorId, 1)
  if (!job) throw new Error('there is nothing to claim')
  return job
}

const write = (job: ClaimedJob, resultText: string, folder?: DataFolder) =>
  writeEnd(job, { status: 'completed', resultText, peakMemoryBytes: 0 }, folder)

const writeEnd = (job: ClaimedJob, outcome: EndedOutcome, folder: DataFolder = dataFolder) =>
  writeOutcome(
    {
      queries: test.context.database.queries,
      batch: new OutcomeBatch(test.context.database.queries, new LeaseTable()),
      dataFolder: folder,
      executorId,
      job,
      mayRetry: true,
      known: { logs: [], peakMemoryBytes: null, startDelayMs: 0, durationMs: 0 },
    },
    outcome,
    (work) => work(),
  )

/** As on a host that is too busy to start one. */
async function runWithoutSandbox(job: ClaimedJob): Promise<EndedOutcome> {
  const { context } = test
  const outcome = await runJob({
    context,
    pool: {
      acquire: () => Promise.reject(new SandboxUnavailableError('no answer')),
    } as unknown as SandboxPool,
    dataFolder,
    executorId,
    versions: new VersionCache(context),
    job,
    log: undefined as never,
    onProgress: () => undefined,
    runChild: () => Promise.reject(new Error('it runs none')),
    mayReturn: true,
    signal: context.signal,
  })
  if (outcome.status !== 'failed') throw new Error(`it is ${outcome.status}`)
  return outcome
}

describe('writeOutcome', () => {
  it('counts a job that got no sandbox as lost, and fails it when it may be lost no more', async () => {
    const { pool } = test.context.database
    const job = await claimed({ max_lost: 1 })
    expect(await writeEnd(job, await runWithoutSandbox(job))).toMatchObject({ status: 'retrying' })
    expect(await readJob(pool, job.id)).toMatchObject({ status: 'pending', lost_count: 1 })
    expect(await readAttempts(pool, job.id)).toEqual(['lost'])
    await pool.query('update analysis_jobs set run_at = now() where id = $1', [job.id])
    const again = await claimNext()
    expect(again.id).toBe(job.id)
    const end = await writeEnd(again, await runWithoutSandbox(again))
    expect(end).toMatchObject({ status: 'failed', error: { code: 'sandbox_crashed' } })
    expect(await readJob(pool, job.id)).toMatchObject({ status: 'failed', lost_count: 1 })
    expect(await readAttempts(pool, job.id)).toEqual(['lost', 'failed'])
  })

  it('is the same when it is repeated after a lost reply', async () => {
    const job = await claimed()
    const first = await write(job, '{"a":1}')
    expect(await write(job, '{"a":1}')).toEqual(first)
    const { rows } = await test.context.database.pool.query(
      'select from analysis_job_attempts where job_id = $1',
      [job.id],
    )
    expect(rows).toHaveLength(1)
  })

  it('is not what others have made of the job meanwhile', async () => {
    const job = await claimed({ max_lost: 0 })
    const failure = (code: string): EndedOutcome => ({
      status: 'failed',
      error: { code, message: 'no', stack: null },
      peakMemoryBytes: 0,
    })
    await rescueJobs(test.context.database.queries, executorId, 0)
    await test.context.database.pool.query('update analysis_executors set stopped_at = null')
    expect(await readJob(test.context.database.pool, job.id)).toMatchObject({
      status: 'failed',
      error_code: 'executor_lost',
    })
    expect(await writeEnd(job, failure('script_error'))).toBe(undefined)
    const other = await claimed()
    const first = await writeEnd(other, failure('script_error'))
    expect(await writeEnd(other, failure('script_error'))).toEqual(first)
  })

  it('fails the job when Postgres refuses its result', async () => {
    const job = await claimed()
    expect(await write(job, '['.repeat(100_000))).toMatchObject({
      status: 'failed',
      error: { code: 'result_not_stored' },
    })
    const row = await readJob(test.context.database.pool, job.id)
    expect(row).toMatchObject({ status: 'failed', error_code: 'result_not_stored', result: null })
  })

  it('fails the job when its result cannot be written to the data folder', async () => {
    const job = await claimed()
    // A file where the folder should be.
    const broken = { ...dataFolder, path: path.join(test.folder.path, 'file') }
    await writeFile(broken.path, '')
    const end = await write(job, JSON.stringify('x'.repeat(300_000)), broken)
    expect(end).toMatchObject({ status: 'failed', error: { code: 'result_not_stored' } })
    expect(await readJob(test.context.database.pool, job.id)).toMatchObject({ status: 'failed' })
  })

  it('writes nothing for a lease that has ended', async () => {
    const job = await claimed()
    await test.context.database.pool.query(
      `update analysis_jobs set status = 'cancelled' where id = $1`,
      [job.id],
    )
    expect(await write(job, '1')).toBe(undefined)
    expect(await write(job, JSON.stringify('x'.repeat(300_000)))).toBe(undefined)
    const { rows } = await test.context.database.pool.query(
      'select from analysis_result_storage where job_id = $1',
      [job.id],
    )
    expect(rows).toEqual([])
    const file = path.join(dataFolder.path, 'results', ...job.startedAt.slice(0, 10).split('-'))
    expect(existsSync(path.join(file, `${job.id}.json.gz`))).toBe(false)
  })
})
