/** Rescues that somebody has made fail, or would have made fail, by SQL: the others go on. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import {
  LostExecutorWatch,
  beatExecutor,
  claimJobs,
  handBackJobs,
  releaseJobs,
  retryLater,
  sweepLostExecutors,
} from '../../../src/core/jobs/index.ts'
import { type TestContext, openTestContext } from '../../support/core-context.ts'
import {
  addClaimed,
  addExecutor,
  holding,
  insertAnalysis,
  insertJob,
  readJob,
} from '../../support/queue.ts'

let test: TestContext
let analysisId: string
beforeAll(async () => {
  test = await openTestContext()
  analysisId = await insertAnalysis(pool())
})
afterAll(() => test.close())
beforeEach(async () => {
  await pool().query('truncate analysis_jobs, analysis_executors cascade')
})

const pool = () => test.context.database.pool
const queries = () => test.context.database.queries
const sql = (text: string, values: unknown[] = []) => pool().query(text, values)
const row = (id: string) => readJob(pool(), id)
const claimed = (executorId: string, columns = {}) =>
  addClaimed(test.context, analysisId, executorId, columns)

/** An executor of a process that is gone, with a job that somebody then changes. */
async function deadHolder(change: string): Promise<string> {
  const child = spawn('true')
  await once(child, 'exit')
  const executor = await addExecutor(test.context, { pid: child.pid ?? 0 })
  const job = await claimed(executor)
  await sql(`update analysis_jobs set ${change} where id = $1`, [job.id])
  return job.id
}

const lease = (job: { id: string; leaseToken: string }) => ({
  jobId: job.id,
  leaseToken: job.leaseToken,
})
describe('attempts that were counted back by SQL', () => {
  const again = async (end: (executorId: string) => Promise<unknown>, rounds = 3) => {
    for (let round = 0; round < rounds; round += 1) {
      const executor = await addExecutor(test.context)
      expect(await claimJobs(queries(), executor, 1)).toHaveLength(1)
      await end(executor)
      await sql('update analysis_jobs set attempt = 0, run_at = now()')
    }
  }

  it('do not keep a rescue from returning jobs', async () => {
    const id = await insertJob(pool(), analysisId)
    await again(async (executor) => {
      await sql('update analysis_executors set stopped_at = now() where id = $1', [executor])
      expect(await sweepLostExecutors(queries())).toEqual({ pending: 1, failed: 0, problems: [] })
    })
    expect(await row(id)).toMatchObject({ status: 'pending', lost_count: 3 })
  })

  it('do not keep a service from handing jobs back', async () => {
    const id = await insertJob(pool(), analysisId)
    await again(async (executor) => expect(await handBackJobs(queries(), executor)).toBe(1))
    expect(await row(id)).toMatchObject({ status: 'pending', handed_back_count: 3 })
  })

  it('do not keep an analysis from being retried', async () => {
    await insertJob(pool(), analysisId)
    const error = { code: 'script_error', message: 'no', stack: null }
    await again(async () => {
      const { rows } = await sql('select id, lease_token as "leaseToken" from analysis_jobs')
      expect(await retryLater(queries(), lease(rows[0]), error, 0)).toBe(true)
    })
  })

  it('do not make a count negative', async () => {
    const executor = await addExecutor(test.context)
    const job = await claimed(executor)
    const other = await claimed(executor)
    await sql('update analysis_jobs set attempt = 0')
    expect(await releaseJobs(queries(), [lease(other)])).toBe(1)
    expect(await beatExecutor(queries(), executor, holding())).toMatchObject({ returnedJobs: 1 })
    for (const { id } of [job, other]) expect(await row(id)).toMatchObject({ attempt: 0 })
  })
})

describe('a look for dead executors', () => {
  /** A job whose rescue fails, whatever its executor, and one of another executor. */
  async function oneFails() {
    const bad = await deadHolder('max_lost = 3')
    const good = await deadHolder('max_lost = 3')
    await sql(`
      create or replace function refuse() returns trigger language plpgsql
        as $$ begin raise exception 'not this one'; end $$;
      create trigger refuse before update on analysis_jobs
        for each row when (old.id = '${bad}') execute function refuse()`)
    return {
      bad,
      good,
      mend: () => sql('drop trigger refuse on analysis_jobs'),
    }
  }

  it('goes on after an executor whose jobs cannot be rescued, and says so', async () => {
    const { bad, good, mend } = await oneFails()
    try {
      const sweep = await sweepLostExecutors(queries())
      expect(sweep).toMatchObject({ pending: 1, failed: 0 })
      expect(sweep.problems).toEqual([
        expect.stringMatching(/^cannot rescue the jobs of executor .*:test: not this one$/),
      ])
      expect(await row(good)).toMatchObject({ status: 'pending' })
      expect(await row(bad)).toMatchObject({ status: 'running' })
    } finally {
      await mend()
    }
    expect(await sweepLostExecutors(queries())).toMatchObject({ pending: 1, problems: [] })
  })

  it('goes on in a service too, and tries again', async () => {
    const { bad, good, mend } = await oneFails()
    const watch = new LostExecutorWatch(test.context)
    try {
      const lost = await watch.look()
      expect(lost).toHaveLength(2)
      expect(lost.find(({ problem }) => problem !== undefined)?.problem).toContain('not this one')
      expect(await row(good)).toMatchObject({ status: 'pending' })
      // Not at once: the database is not asked in a tight loop.
      expect(watch.nextLookInMs).toBe(2000)
    } finally {
      await mend()
    }
    await watch.look()
    expect(await row(bad)).toMatchObject({ status: 'pending' })
  })

  it('in a transaction loses nothing of what went before a rescue that fails', async () => {
    const { bad, good, mend } = await oneFails()
    try {
      await queries()
        .transaction()
        .execute(async (transaction) => {
          const { pending, problems } = await sweepLostExecutors(transaction)
          expect({ pending, problems: problems.length }).toEqual({ pending: 1, problems: 1 })
        })
      expect(await row(good)).toMatchObject({ status: 'pending' })
      expect(await row(bad)).toMatchObject({ status: 'running' })
    } finally {
      await mend()
    }
  })

  it.each([
    ['a sweep', () => sweepLostExecutors(queries())],
    ['a service', () => new LostExecutorWatch(test.context).look()],
  ])('leaves a job whose row somebody has locked to the next one: %s', async (_name, look) => {
    const locked = await deadHolder('max_lost = 3')
    const unowned = await insertJob(pool(), analysisId)
    await sql(`update analysis_jobs set status = 'running' where id = $1`, [unowned])
    const others = [await deadHolder('max_lost = 3'), await insertJob(pool(), analysisId)]
    await sql(`update analysis_jobs set status = 'running' where id = $1`, [others[1]])
    const operator = await pool().connect()
    try {
      await operator.query('begin')
      await operator.query('select from analysis_jobs where id = any ($1) for update', [
        [locked, unowned],
      ])
      await look()
      expect(JSON.stringify(await look())).toContain('locked the row of one of them')
      for (const id of others) expect(await row(id)).toMatchObject({ status: 'pending' })
      for (const id of [locked, unowned]) expect(await row(id)).toMatchObject({ status: 'running' })
      // Nothing more to do, and the executor row may be locked as well.
      await operator.query('select from analysis_executors for update')
      await look()
    } finally {
      await operator.query('rollback')
      operator.release()
    }
    await look()
    for (const id of [locked, unowned]) {
      expect(await row(id)).toMatchObject({ status: 'pending', lost_count: 1 })
    }
    expect((await sql('select from analysis_leases')).rows).toEqual([])
  })

  it('leaves of one claim the jobs that are locked, and returns the others', async () => {
    const executor = await addExecutor(test.context)
    await insertJob(pool(), analysisId)
    await insertJob(pool(), analysisId)
    const [first, second] = await claimJobs(queries(), executor, 2)
    await sql('update analysis_executors set stopped_at = now()')
    const operator = await pool().connect()
    try {
      await operator.query('begin')
      await operator.query('select from analysis_jobs where id = $1 for update', [first?.id])
      expect(await sweepLostExecutors(queries())).toMatchObject({
        pending: 1,
        problems: [expect.stringMatching(/another session has locked the row of one of them$/)],
      })
    } finally {
      await operator.query('rollback')
      operator.release()
    }
    expect(await row(second?.id ?? '')).toMatchObject({ status: 'pending', lost_count: 1 })
    expect(await sweepLostExecutors(queries())).toMatchObject({ pending: 1, problems: [] })
    expect(await row(first?.id ?? '')).toMatchObject({ status: 'pending', lost_count: 1 })
  })

  it('says that it could not look, and does not fail', async () => {
    await sql('alter table analysis_executors rename to away')
    const { problems } = await (async () => {
      try {
        return await sweepLostExecutors(queries())
      } finally {
        await sql('alter table away rename to analysis_executors')
      }
    })()
    expect(problems).toEqual([expect.stringMatching(/^cannot look for dead executors: /)])
  })
})
