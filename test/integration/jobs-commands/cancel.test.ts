import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { cancelJobs, findUnfinishedJobs } from '../../../src/core/jobs/index.ts'
import { type TestContext, openTestContext } from '../../support/core-context.ts'
import { insertAnalysis, insertJob, readJob } from '../../support/queue.ts'

let test: TestContext
let analysisId: string
beforeAll(async () => {
  test = await openTestContext()
  analysisId = await insertAnalysis(test.context.database.pool)
})
afterAll(() => test.close())
beforeEach(async () => {
  await test.context.database.pool.query('truncate analysis_jobs, analysis_audit_log cascade')
})

const sql = async (text: string): Promise<Record<string, unknown>[]> =>
  (await test.context.database.pool.query(text)).rows
const add = (columns: Readonly<Record<string, unknown>> = {}, analysis = analysisId) =>
  insertJob(test.context.database.pool, analysis, columns)
const statusOf = async (id: string) => (await readJob(test.context.database.pool, id)).status
const cancel = (ids: readonly string[], onlyStatus?: 'pending' | 'running') =>
  cancelJobs(test.context, ids, { reason: 'wrong month', ...(onlyStatus ? { onlyStatus } : {}) })
const audits = () =>
  sql(`select action, actor, target_id, details, before_hash <> after_hash as tells_states
       from analysis_audit_log`)

describe('cancelJobs', () => {
  it('tells of each job what became of it, and may be repeated', async () => {
    const pending = await add()
    const running = await add({ status: 'running' })
    const failed = await add({ status: 'failed' })
    const missing = randomUUID()
    const ids = [pending, running, failed, missing]
    expect(await cancel(ids)).toEqual([
      { id: pending, outcome: 'cancelled' },
      { id: running, outcome: 'cancelled' },
      { id: failed, outcome: 'already_failed' },
      { id: missing, outcome: 'not_found' },
    ])
    expect((await cancel(ids)).map((one) => one.outcome)).toEqual([
      'already_cancelled',
      'already_cancelled',
      'already_failed',
      'not_found',
    ])
    expect(await readJob(test.context.database.pool, pending)).toMatchObject({
      status: 'cancelled',
      error_code: 'cancelled',
      error_message: 'wrong month',
    })
  })

  it('cancels many in few transactions, and tells of them in the order given', async () => {
    const ids = []
    for (let index = 0; index < 130; index += 1) ids.push(await add())
    const outcomes = await cancel(ids)
    expect(outcomes).toEqual(ids.map((id) => ({ id, outcome: 'cancelled' })))
    const [row] = await sql(`
      select count(*)::int as jobs, count(distinct job.xmin::text)::int as transactions
      from analysis_jobs job join analysis_audit_log audit on audit.xmin = job.xmin
        and audit.target_id = job.id::text`)
    expect(row).toEqual({ jobs: 130, transactions: 2 })
  })

  it('writes one audit row for each job it cancelled, and none for the others', async () => {
    const pending = await add()
    await cancel([pending, await add({ status: 'completed' }), randomUUID()])
    await cancel([pending])
    expect(await audits()).toEqual([
      {
        action: 'job.cancel',
        actor: 'tester',
        target_id: pending,
        details: { reason: 'wrong month' },
        tells_states: true,
      },
    ])
  })

  it('writes the audit row in the transaction of the cancel', async () => {
    await cancel([await add()])
    expect(
      await sql(`
        select 1 from analysis_jobs job join analysis_audit_log audit on audit.xmin = job.xmin`),
    ).toHaveLength(1)
  })

  it('cancels nothing when its audit row cannot be written', async () => {
    const pending = await add()
    await sql(
      `alter table analysis_audit_log add constraint no_room check (action <> 'job.cancel')`,
    )
    await expect(cancel([pending])).rejects.toThrow('no_room')
    await sql('alter table analysis_audit_log drop constraint no_room')
    expect(await statusOf(pending)).toBe('pending')
  })

  it('cancels nothing when any of the ids is none', async () => {
    const pending = await add()
    await expect(cancel([pending, 'nightly'])).rejects.toMatchObject({ code: 'USAGE' })
    expect(await statusOf(pending)).toBe('pending')
  })

  it('takes an id that is given twice, once in capitals, for one', async () => {
    const pending = await add()
    expect(await cancel([pending, pending.toUpperCase()])).toEqual([
      { id: pending, outcome: 'cancelled' },
    ])
  })

  it('spares a job that was chosen while pending and runs by now', async () => {
    const running = await add({ status: 'running' })
    expect(await cancel([running], 'pending')).toEqual([
      { id: running, outcome: 'already_running' },
    ])
    expect(await statusOf(running)).toBe('running')
  })

  it('spares a job that was chosen as stuck and was rescued meanwhile, or began anew', async () => {
    const hourAgo = { started_at: new Date(Date.now() - 3_600_000).toISOString() }
    const stuck = await add({ status: 'running', ...hourAgo })
    const rescued = await add({ status: 'pending', ...hourAgo })
    const anew = await add({ status: 'running', started_at: new Date().toISOString() })
    const choice = { reason: 'stuck', onlyStuckForMs: 60_000 }
    expect(await cancelJobs(test.context, [stuck, rescued, anew], choice)).toEqual([
      { id: stuck, outcome: 'cancelled' },
      { id: rescued, outcome: 'already_pending' },
      { id: anew, outcome: 'already_running' },
    ])
    expect(await Promise.all([rescued, anew].map(statusOf))).toEqual(['pending', 'running'])
  })

  it('cancels the unfinished children and their children with a job', async () => {
    const parent = await add({ status: 'running' })
    const child = await add({ status: 'running', parent_job_id: parent })
    const done = await add({ status: 'completed', parent_job_id: parent })
    const grandchild = await add({ parent_job_id: child })
    const other = await add()
    await cancel([parent])
    expect(await Promise.all([child, done, grandchild, other].map(statusOf))).toEqual([
      'cancelled',
      'completed',
      'cancelled',
      'pending',
    ])
  })
})

describe('findUnfinishedJobs', () => {
  it('finds by status, analysis, project and time of running', async () => {
    const other = await insertAnalysis(test.context.database.pool, undefined, {
      title: 'other',
      projectId: 'shop',
    })
    const pending = await add({ created_at: '2026-01-01T00:00:00Z' })
    const short = await add({
      created_at: '2026-01-02T00:00:00Z',
      status: 'running',
      started_at: new Date(Date.now() - 60_000).toISOString(),
    })
    const long = await add(
      {
        created_at: '2026-01-03T00:00:00Z',
        status: 'running',
        started_at: new Date(Date.now() - 3 * 3_600_000).toISOString(),
      },
      other,
    )
    await add({ status: 'completed' })
    const find = (filter: Parameters<typeof findUnfinishedJobs>[1]) =>
      findUnfinishedJobs(test.context.database.queries, filter)
    expect(await find({})).toEqual([pending, short, long])
    expect(await find({ status: 'pending' })).toEqual([pending])
    expect(await find({ status: 'running' })).toEqual([short, long])
    expect(await find({ analysisId })).toEqual([pending, short])
    expect(await find({ projectId: 'shop' })).toEqual([long])
    expect(await find({ stuckForMs: 2 * 3_600_000 })).toEqual([long])
    expect(await find({ stuckForMs: 30_000, analysisId })).toEqual([short])
  })
})
