/** Heartbeats, and what becomes of the jobs of an executor that is gone. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import {
  beatExecutor,
  cancelJob,
  claimJobs,
  drainExecutors,
  handBackJobs,
  insertClaimedJob,
  rescueJobs,
  retireExecutor,
  sweepLostExecutors,
} from '../../../src/core/jobs/index.ts'
import { type TestContext, openTestContext } from '../../support/core-context.ts'
import {
  addExecutor,
  finishJob,
  holding,
  insertAnalysis,
  insertJob,
  readAttempts,
  readJob,
} from '../../support/queue.ts'
import { waitUntil } from '../../support/wait-until.ts'

let test: TestContext
let analysisId: string
beforeAll(async () => {
  test = await openTestContext()
  analysisId = await insertAnalysis(test.context.database.pool)
})
afterAll(() => test.close())
beforeEach(async () => {
  await test.context.database.pool.query('truncate analysis_jobs, analysis_executors cascade')
})

const queriesOf = () => test.context.database.queries
const sqlText = (text: string, values: unknown[] = []) =>
  test.context.database.pool.query(text, values)
const row = (id: string) => readJob(test.context.database.pool, id)

/** A job that the executor has claimed. */
async function held(
  executorId: string,
  columns: Readonly<Record<string, unknown>> = {},
  claimNumber = 0,
) {
  await insertJob(test.context.database.pool, analysisId, columns)
  const [job] = await claimJobs(queriesOf(), executorId, 1, claimNumber)
  if (!job) throw new Error('there is nothing to claim')
  return job
}

/** The pid of a process that has ended. */
async function deadPid(): Promise<number> {
  const child = spawn('true')
  await once(child, 'exit')
  return child.pid ?? 0
}

describe('beatExecutor', () => {
  it('tells which leases ended and gives back claims that never arrived', async () => {
    const executor = await addExecutor(test.context)
    const kept = await held(executor)
    const cancelled = await held(executor)
    const unknown = await held(executor)
    await cancelJob(queriesOf(), cancelled.id, 'not needed')
    const reply = await beatExecutor(queriesOf(), executor, holding(kept, cancelled))
    expect(reply).toEqual({
      isAlive: true,
      isDraining: false,
      endedLeases: [`${cancelled.id} ${cancelled.leaseToken}`],
      returnedJobs: 1,
      hasWaitingJobs: false,
    })
    expect(await row(kept.id)).toMatchObject({ status: 'running', lease_token: kept.leaseToken })
    // The attempt never began, so it does not count.
    expect(await row(unknown.id)).toMatchObject({
      status: 'pending',
      attempt: 0,
      lost_count: 0,
      executor_id: null,
      lease_token: null,
    })
  })

  it('leaves alone what it cannot know of, however late the server gets to it', async () => {
    const executor = await addExecutor(test.context)
    const later = await held(executor, {}, 7)
    const inserted = await insertClaimedJob(queriesOf(), {
      analysisId,
      versionNumber: 1,
      parameters: {},
      triggeredBy: 'manual',
      executorId: executor,
      claimNumber: 8,
    })
    const stale = { ...holding(), claimsSettledBelow: 7 }
    expect(await beatExecutor(queriesOf(), executor, stale)).toMatchObject({ returnedJobs: 0 })
    expect(await row(later.id)).toMatchObject({ status: 'running' })
    const between = { ...holding(), claimsSettledBelow: 8 }
    expect(await beatExecutor(queriesOf(), executor, between)).toMatchObject({ returnedJobs: 1 })
    expect(await row(later.id)).toMatchObject({ status: 'pending' })
    expect(await row(inserted.id)).toMatchObject({ status: 'running' })
  })

  it('does not wait for the row of a job that somebody has locked', async () => {
    const executor = await addExecutor(test.context)
    const job = await held(executor)
    const operator = await test.context.database.pool.connect()
    try {
      await operator.query('begin')
      await operator.query('select from analysis_jobs where id = $1 for update', [job.id])
      expect(await beatExecutor(queriesOf(), executor, holding())).toMatchObject({
        returnedJobs: 0,
        endedLeases: [],
      })
    } finally {
      await operator.query('rollback')
      operator.release()
    }
    expect(await beatExecutor(queriesOf(), executor, holding())).toMatchObject({ returnedJobs: 1 })
  })

  it('tells an executor that was declared dead, and moves nothing', async () => {
    const executor = await addExecutor(test.context)
    const job = await held(executor)
    await retireExecutor(queriesOf(), executor)
    const reply = await beatExecutor(queriesOf(), executor, holding())
    expect(reply).toMatchObject({ isAlive: false, returnedJobs: 0 })
    expect(await row(job.id)).toMatchObject({ status: 'running' })
  })

  it('is told to drain once, which the audit log tells', async () => {
    const id = await addExecutor(test.context)
    await sqlText('truncate analysis_audit_log')
    await drainExecutors(test.context, [id])
    await drainExecutors(test.context, [id])
    const { rows } = await sqlText(
      'select action, target_id, before_hash <> after_hash as tells_states from analysis_audit_log',
    )
    expect(rows).toEqual([{ action: 'executor.drain', target_id: id, tells_states: true }])
  })

  it('passes on that the executor should drain', async () => {
    const executor = await addExecutor(test.context)
    await sqlText('update analysis_executors set is_draining = true')
    expect(await beatExecutor(queriesOf(), executor, holding())).toMatchObject({ isDraining: true })
  })
})

describe('sweepLostExecutors', () => {
  it('rescues the jobs of a process of this machine that is gone, at once', async () => {
    const executor = await addExecutor(test.context, { pid: await deadPid() })
    const job = await held(executor)
    expect(await sweepLostExecutors(queriesOf())).toMatchObject({
      pending: 1,
      failed: 0,
      problems: [],
    })
    expect(await row(job.id)).toMatchObject({
      status: 'pending',
      attempt: 1,
      lost_count: 1,
      lease_token: null,
      started_at: null,
    })
    expect(await readAttempts(test.context.database.pool, job.id)).toEqual(['lost'])
    expect(
      await finishJob(
        queriesOf(),
        { jobId: job.id, leaseToken: job.leaseToken },
        {
          status: 'completed',
          resultText: '1',
          error: null,
          logs: [],
          peakMemoryBytes: null,
        },
      ),
    ).toBe(false)
  })

  it('leaves a living process of this machine alone, however old its beat', async () => {
    const executor = await addExecutor(test.context)
    const job = await held(executor)
    await sqlText(`update analysis_executors set beat_at = now() - interval '1 hour'`)
    await sweepLostExecutors(queriesOf())
    await sweepLostExecutors(queriesOf())
    expect(await row(job.id)).toMatchObject({ status: 'running' })
  })

  it('needs two looks 8 s apart at the same beat of another machine', async () => {
    const executor = await addExecutor(test.context, { host: 'elsewhere' })
    const job = await held(executor)
    await sweepLostExecutors(queriesOf())
    expect(await suspicion(executor)).toBe(null)
    // The beat is old now: a first look notes it, a second one soon after decides nothing.
    await sqlText(`update analysis_executors set beat_at = now() - interval '9 seconds'`)
    await sweepLostExecutors(queriesOf())
    await sweepLostExecutors(queriesOf())
    expect(await suspicion(executor)).not.toBe(null)
    expect(await row(job.id)).toMatchObject({ status: 'running' })

    // A watch counts only while the server runs without interruption.
    await waitUntil('the server has run for 10 s', async () => {
      const { rows } = await sqlText(
        `select now() - pg_postmaster_start_time() > interval '10 seconds' as is_enough`,
      )
      return (rows[0] as { is_enough: boolean }).is_enough
    })
    await sqlText(`update analysis_executors set suspected_at = now() - interval '9 seconds'`)
    expect(await sweepLostExecutors(queriesOf())).toMatchObject({ pending: 1, failed: 0 })
    expect(await row(job.id)).toMatchObject({ status: 'pending', lost_count: 1 })
  })

  it('forgets a suspicion when the executor beats', async () => {
    const executor = await addExecutor(test.context, { host: 'elsewhere' })
    const job = await held(executor)
    await sqlText(`update analysis_executors set beat_at = now() - interval '1 hour'`)
    await sweepLostExecutors(queriesOf())
    await beatExecutor(queriesOf(), executor, holding(job))
    expect(await suspicion(executor)).toBe(null)
    await sqlText(`update analysis_executors
      set suspected_at = now() - interval '1 hour', suspected_beat_count = beat_count - 1`)
    await sweepLostExecutors(queriesOf())
    expect(await row(job.id)).toMatchObject({ status: 'running' })
  })

  it('trusts no suspicion from before a restart of the database', async () => {
    const executor = await addExecutor(test.context, { host: 'elsewhere' })
    const job = await held(executor)
    await sqlText(
      `update analysis_executors set beat_at = now() - interval '1 hour',
         suspected_beat_count = beat_count,
         suspected_at = pg_postmaster_start_time() - interval '1 minute'`,
    )
    await sweepLostExecutors(queriesOf())
    expect(await row(job.id)).toMatchObject({ status: 'running' })
    // The watch begins anew.
    const { rows } = await sqlText(
      `select suspected_at > pg_postmaster_start_time() as is_new from analysis_executors where id = $1`,
      [executor],
    )
    expect(rows).toEqual([{ is_new: true }])
  })

  it('fails a job that was lost as often as it may be', async () => {
    const jobs: string[] = []
    for (const lost of [0, 2, 3]) {
      const executor = await addExecutor(test.context, { pid: await deadPid() })
      jobs.push((await held(executor, { lost_count: lost })).id)
    }
    expect(await sweepLostExecutors(queriesOf())).toMatchObject({ pending: 2, failed: 1 })
    expect(await Promise.all(jobs.map(async (id) => (await row(id)).status))).toEqual([
      'pending',
      'pending',
      'failed',
    ])
    expect(await row(jobs[2] ?? '')).toMatchObject({ error_code: 'executor_lost', lost_count: 4 })
  })

  it('fails the job of a command that died: nobody else runs it', async () => {
    const executorId = await addExecutor(test.context, { pid: await deadPid() })
    const job = await insertClaimedJob(queriesOf(), {
      analysisId,
      versionNumber: 1,
      parameters: {},
      triggeredBy: 'test',
      executorId,
    })
    await sweepLostExecutors(queriesOf())
    expect(await row(job.id)).toMatchObject({ status: 'failed', error_code: 'executor_lost' })
  })

  it('rescues once when several sweep at a time', async () => {
    const executor = await addExecutor(test.context, { pid: await deadPid() })
    const job = await held(executor)
    const rescues = await Promise.all(
      Array.from({ length: 5 }, () => sweepLostExecutors(queriesOf())),
    )
    expect(rescues.reduce((sum, rescue) => sum + rescue.pending, 0)).toBe(1)
    expect(await row(job.id)).toMatchObject({ lost_count: 1 })
  })
})

async function suspicion(executorId: string): Promise<string | null> {
  const { rows } = await sqlText('select suspected_at from analysis_executors where id = $1', [
    executorId,
  ])
  return (rows[0] as { suspected_at: string | null }).suspected_at
}

describe('rescueJobs', () => {
  it('does nothing when the executor has beaten since it was looked at', async () => {
    const executor = await addExecutor(test.context)
    const job = await held(executor)
    await beatExecutor(queriesOf(), executor, holding(job))
    expect(await rescueJobs(queriesOf(), executor, 0)).toMatchObject({ pending: 0, failed: 0 })
    expect(await row(job.id)).toMatchObject({ status: 'running', lease_token: job.leaseToken })
  })
})

describe('handBackJobs', () => {
  it('leaves a job whose row somebody has locked to the rescue', async () => {
    const executor = await addExecutor(test.context)
    const locked = await held(executor)
    const other = await held(executor)
    const operator = await test.context.database.pool.connect()
    try {
      await operator.query('begin')
      await operator.query('select from analysis_jobs where id = $1 for update', [locked.id])
      expect(await handBackJobs(queriesOf(), executor)).toBe(1)
      expect(await row(other.id)).toMatchObject({ status: 'pending' })
      await retireExecutor(queriesOf(), executor)
    } finally {
      await operator.query('rollback')
      operator.release()
    }
    expect(await sweepLostExecutors(queriesOf())).toMatchObject({ pending: 1, failed: 0 })
    expect(await row(locked.id)).toMatchObject({ status: 'pending', lost_count: 1 })
  })

  it('returns running jobs to the queue without counting the attempt against them', async () => {
    const executor = await addExecutor(test.context)
    const job = await held(executor)
    expect(await handBackJobs(queriesOf(), executor)).toBe(1)
    expect(await row(job.id)).toMatchObject({
      status: 'pending',
      handed_back_count: 1,
      lost_count: 0,
      executor_id: null,
      lease_token: null,
    })
    const other = await addExecutor(test.context)
    const [again] = await claimJobs(queriesOf(), other, 1)
    expect(again?.id).toBe(job.id)
    await handBackJobs(queriesOf(), other)
    expect(await readAttempts(test.context.database.pool, job.id)).toEqual([
      'handed_back',
      'handed_back',
    ])
  })

  it('cancels children, since the parent makes new ones when it runs again', async () => {
    const executorId = await addExecutor(test.context)
    const parent = await held(executorId)
    const child = await insertClaimedJob(queriesOf(), {
      analysisId,
      versionNumber: 1,
      parameters: {},
      triggeredBy: 'analysis',
      executorId,
      parentJobId: parent.id,
    })
    expect(await handBackJobs(queriesOf(), executorId)).toBe(1)
    expect(await row(parent.id)).toMatchObject({ status: 'pending' })
    expect(await row(child.id)).toMatchObject({ status: 'cancelled' })
  })
})
