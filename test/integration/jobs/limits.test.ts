/** Limits of analyses and projects, by the statements that executors and operators make. */
import { randomUUID } from 'node:crypto'
import { Kysely, PostgresDialect } from 'kysely'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { DB } from '../../../src/core/database/index.ts'
import {
  type ClaimedJob,
  admitJobs,
  claimJobs,
  finishJobs,
  handBackJobs,
  insertClaimedJob,
  requestSlot,
  rescueJobs,
  retryLater,
  withdrawSlotRequest,
} from '../../../src/core/jobs/index.ts'
import { type TestContext, openTestContext } from '../../support/core-context.ts'
import {
  type AnalysisOptions,
  addLastingExecutor,
  declareLimit,
  insertAnalysis,
  insertJob,
} from '../../support/queue.ts'

let test: TestContext
let executorId: string
beforeAll(async () => {
  test = await openTestContext()
})
afterAll(() => test.close())
beforeEach(async () => {
  await pool().query('truncate analyses, projects, analysis_executors cascade')
  executorId = await addLastingExecutor(test.context)
})

const pool = () => test.context.database.pool
const queries = () => test.context.database.queries
const analysis = (options: AnalysisOptions) => insertAnalysis(pool(), undefined, options)
const admit = () => admitJobs(queries())
const claim = (limit = 100) => claimJobs(queries(), executorId, limit)
const setProject = (id: string, limit: number | null) =>
  pool().query('update projects set max_concurrent = $2 where id = $1', [id, limit])

async function addJobs(analysisId: string, count: number, columns = {}): Promise<string[]> {
  const ids: string[] = []
  for (let index = 0; index < count; index += 1) {
    ids.push(await insertJob(pool(), analysisId, columns))
  }
  return ids
}

async function finish(job: ClaimedJob | undefined): Promise<void> {
  if (!job) throw new Error('there is no such job')
  const outcome = {
    status: 'completed',
    resultText: '1',
    error: null,
    logs: [],
    peakMemoryBytes: null,
    startDelayMs: 0,
    durationMs: 1,
  } as const
  await finishJobs(queries(), [{ lease: { jobId: job.id, leaseToken: job.leaseToken }, outcome }])
}

interface SlotRow {
  readonly status: string
  readonly ready: boolean
  readonly waits_for_slot: boolean
  readonly holds_slot: boolean
  readonly waiting_reason: string | null
}

async function slot(id: string): Promise<SlotRow> {
  const { rows } = await pool().query<SlotRow>(
    `select status, ready, waits_for_slot, holds_slot, waiting_reason
     from analysis_jobs where id = $1`,
    [id],
  )
  if (!rows[0]) throw new Error(`there is no job ${id}`)
  return rows[0]
}
const waitsFor = (reason: string) => ({
  status: 'pending',
  ready: false,
  waits_for_slot: true,
  holds_slot: false,
  waiting_reason: reason,
})

const runDirectly = (
  analysisId: string,
  more: Partial<Parameters<typeof insertClaimedJob>[1]> = {},
) =>
  insertClaimedJob(queries(), {
    analysisId,
    versionNumber: 1,
    parameters: {},
    triggeredBy: 'manual',
    executorId,
    ...more,
  })

async function count(condition: string): Promise<number> {
  const { rows } = await pool().query<{ count: number }>(
    `select count(*)::integer as count from analysis_jobs where ${condition}`,
  )
  return rows[0]?.count ?? 0
}

describe('jobs under a limit', () => {
  it('wait with the reason from when they are inserted, and others do not', async () => {
    const limited = await analysis({ title: 'Twice', maxConcurrent: 2 })
    const free = await analysis({ title: 'Free' })
    const [waiting = ''] = await addJobs(limited, 1)
    const [ready = ''] = await addJobs(free, 1)
    expect(await slot(waiting)).toEqual(
      waitsFor('the analysis "twice" runs at most 2 jobs at a time'),
    )
    expect(await slot(ready)).toMatchObject({
      ready: true,
      waits_for_slot: false,
      holds_slot: false,
      waiting_reason: null,
    })
  })

  it('name the limit of the project, or both', async () => {
    const both = await analysis({ title: 'Both', projectId: 'p', maxConcurrent: 1 })
    const one = await analysis({ title: 'One', projectId: 'p' })
    await setProject('p', 3)
    const [first = ''] = await addJobs(both, 1)
    const [second = ''] = await addJobs(one, 1)
    const ofProject = 'the project "p" runs at most 3 jobs at a time'
    expect(await slot(first)).toEqual(
      waitsFor(`the analysis "both" runs at most 1 job at a time and ${ofProject}`),
    )
    expect(await slot(second)).toEqual(waitsFor(ofProject))
  })

  it('wait behind one job while nobody has read the script, and are let go when it has no limit', async () => {
    const id = await analysis({ title: 'New', maxConcurrent: 'unread' })
    const jobs = await addJobs(id, 3)
    expect(await slot(jobs[1] ?? '')).toEqual(
      waitsFor('the analysis "new" runs 1 job at a time until its script has been read'),
    )
    expect(await admit()).toBe(1)
    expect(await claim()).toHaveLength(1)
    expect(await admit()).toBe(0)
    await declareLimit(pool(), id, null)
    expect(await admit()).toBe(2)
    expect(await claim()).toHaveLength(2)
  })

  it('are free at once when the script turns out to be broken', async () => {
    const id = await analysis({ maxConcurrent: 'unread' })
    await addJobs(id, 3)
    await pool().query(`update analysis_versions set definition_error = 'broken'`)
    expect(await admit()).toBe(3)
  })

  it('are one at a time again after a change of the script by SQL, beside those that run', async () => {
    const id = await analysis({ title: 'Free' })
    await addJobs(id, 3)
    const [old] = await claim(1)
    await pool().query('update analyses set script_content = $1', ['export default () => 2'])
    expect(await count('ready')).toBe(0)
    expect(await admit()).toBe(1)
    expect(old).toBeDefined()
  })
})

describe('admitJobs', () => {
  it('lets as many go as there are slots, in the order of claims', async () => {
    const id = await analysis({ maxConcurrent: 2 })
    await addJobs(id, 2, { run_at: '2020-01-02' })
    const [early = ''] = await addJobs(id, 1, { run_at: '2020-01-01' })
    const [urgent = ''] = await addJobs(id, 1, { run_at: '2020-01-03', priority: 5 })
    expect(await admit()).toBe(2)
    expect(await admit()).toBe(0)
    const claimed = await claim()
    expect(claimed.map((job) => job.id)).toEqual([urgent, early])
    await finish(claimed[0])
    expect(await admit()).toBe(1)
    expect(await count('holds_slot')).toBe(2)
  })

  it('leaves jobs that are not due, and those that somebody else keeps from running', async () => {
    const id = await analysis({ maxConcurrent: 5 })
    await addJobs(id, 1, { run_at: '2999-01-01', priority: 9 })
    await addJobs(id, 1, { ready: false, waiting_reason: 'a slot of the database' })
    const [due = ''] = await addJobs(id, 1)
    expect(await admit()).toBe(1)
    expect(await slot(due)).toMatchObject({ ready: true, holds_slot: true, waiting_reason: null })
    expect(await claim()).toHaveLength(1)
  })

  it('shares the slots of a project among its analyses', async () => {
    await analysis({ projectId: 'p' })
    await setProject('p', 3)
    const one = await analysis({ title: 'one', projectId: 'p', maxConcurrent: 1 })
    const two = await analysis({ title: 'two', projectId: 'p' })
    const other = await analysis({ title: 'other', projectId: 'q', maxConcurrent: 1 })
    const first = await addJobs(one, 3, { priority: 3 })
    const second = await addJobs(two, 3)
    await addJobs(other, 2)
    expect(await admit()).toBe(4)
    const claimed = (await claim()).map((job) => job.id)
    expect(claimed).toContain(first[0])
    expect(claimed.filter((id) => second.includes(id))).toHaveLength(2)
  })

  it('steps over a job that somebody has locked', async () => {
    const id = await analysis({ maxConcurrent: 1 })
    const [locked = '', next = ''] = await addJobs(id, 2)
    const client = await pool().connect()
    try {
      await client.query('begin')
      await client.query('select from analysis_jobs where id = $1 for update', [locked])
      expect(await admit()).toBe(1)
      expect(await slot(next)).toMatchObject({ ready: true })
    } finally {
      await client.query('rollback')
      client.release()
    }
  })

  it('gives no slot twice when many call it at once', async () => {
    const id = await analysis({ maxConcurrent: 3 })
    await addJobs(id, 20)
    const admitted = await Promise.all(Array.from({ length: 5 }, admit))
    expect(admitted.reduce((sum, each) => sum + each, 0)).toBe(3)
    expect(await count('holds_slot')).toBe(3)
  })

  it('keeps a slot for a child that waits', async () => {
    const id = await analysis({ maxConcurrent: 2 })
    const requestId = randomUUID()
    await requestSlot(queries(), requestId, id)
    await addJobs(id, 3)
    expect(await admit()).toBe(1)
    await withdrawSlotRequest(queries(), requestId)
    expect(await admit()).toBe(1)
  })

  it('walks from analysis to analysis by the index', async () => {
    const id = await analysis({ maxConcurrent: 1 })
    await addJobs(id, 1)
    await pool().query(
      `insert into analysis_jobs (analysis_id) select $1 from generate_series(1, 30000)`,
      [id],
    )
    const statements = await statementsOfAdmission()
    const client = await pool().connect()
    try {
      await client.query('begin')
      await client.query(statements.find(({ sql }) => sql.includes('kiln_lock_slots'))?.sql ?? '')
      const admission = statements.find(({ sql }) => sql.includes('with recursive'))
      const { rows } = await client.query<{ 'QUERY PLAN': string }>(
        `explain (costs off) ${admission?.sql}`,
        admission?.parameters as unknown[],
      )
      const plan = rows.map((row) => row['QUERY PLAN']).join('\n')
      expect(plan).toMatch(/Index (Only )?Scan using kiln_analysis_jobs_slot_queue/)
      expect(plan).not.toContain('Seq Scan on analysis_jobs')
    } finally {
      await client.query('rollback')
      client.release()
    }
  })
})

/** What an admission sends to the server. */
async function statementsOfAdmission() {
  const sent: { readonly sql: string; readonly parameters: readonly unknown[] }[] = []
  const watched = new Kysely<DB>({
    dialect: new PostgresDialect({ pool: pool() }),
    log: ({ query }) => void sent.push(query),
  })
  await admitJobs(watched)
  return sent
}

describe('a slot', () => {
  it.each([
    ['completes', (job: ClaimedJob) => finish(job)],
    [
      'is cancelled by SQL',
      (job: ClaimedJob) =>
        pool().query(`update analysis_jobs set status = 'cancelled' where id = $1`, [job.id]),
    ],
    [
      'is deleted',
      (job: ClaimedJob) => pool().query('delete from analysis_jobs where id = $1', [job.id]),
    ],
  ])('is free when its job %s', async (_name, end) => {
    const id = await analysis({ maxConcurrent: 1 })
    await addJobs(id, 2)
    await admit()
    const [job] = await claim()
    if (!job) throw new Error('nothing was claimed')
    expect(await admit()).toBe(0)
    await end(job)
    expect(await count('holds_slot')).toBe(0)
    expect(await admit()).toBe(1)
  })

  it.each([
    ['its executor dies', () => rescueJobs(queries(), executorId, 0)],
    ['it is handed back', () => handBackJobs(queries(), executorId)],
    [
      'somebody makes it pending by SQL',
      () => pool().query(`update analysis_jobs set status = 'pending' where status = 'running'`),
    ],
  ])('is free, and its job waits again, when %s', async (_name, end) => {
    const id = await analysis({ title: 'once', maxConcurrent: 1 })
    const [first = ''] = await addJobs(id, 2)
    await admit()
    await claim()
    await end()
    expect(await slot(first)).toEqual(waitsFor('the analysis "once" runs at most 1 job at a time'))
    expect(await admit()).toBe(1)
    expect(await count('holds_slot')).toBe(1)
  })

  it('is free between two attempts', async () => {
    const id = await analysis({ maxConcurrent: 1 })
    const [first = '', second = ''] = await addJobs(id, 2)
    await admit()
    const [job] = await claim()
    if (!job) throw new Error('nothing was claimed')
    const error = { code: 'script_error', message: 'no', stack: null }
    await retryLater(queries(), { jobId: job.id, leaseToken: job.leaseToken }, error, 60_000)
    expect(await slot(first)).toEqual(waitsFor('retry after script_error'))
    expect(await admit()).toBe(1)
    expect(await slot(second)).toMatchObject({ ready: true })
  })
})

describe('a change of a limit', () => {
  it('to less sends back what was admitted and has not begun', async () => {
    const id = await analysis({ title: 'a', maxConcurrent: 4 })
    await addJobs(id, 6)
    await admit()
    const running = await claim(2)
    await declareLimit(pool(), id, 2)
    expect(await count('holds_slot')).toBe(2)
    expect(await admit()).toBe(0)
    expect(await count(`waiting_reason like '%at most 2 jobs%'`)).toBe(4)
    await finish(running[0])
    expect(await admit()).toBe(1)
  })

  it('to more lets more go', async () => {
    const id = await analysis({ maxConcurrent: 1 })
    await addJobs(id, 4)
    expect(await admit()).toBe(1)
    await declareLimit(pool(), id, 3)
    await admit()
    expect(await claim()).toHaveLength(3)
  })

  it('from none holds pending jobs back, counts running ones, and covers those of later', async () => {
    const id = await analysis({ projectId: 'p' })
    await addJobs(id, 4)
    const running = await claim(2)
    await setProject('p', 2)
    expect(await count('ready')).toBe(0)
    expect(await count(`holds_slot and status = 'running'`)).toBe(2)
    await addJobs(id, 1)
    expect(await admit()).toBe(0)
    for (const job of running) await finish(job)
    expect(await admit()).toBe(2)
  })

  it('to none lets all go', async () => {
    const id = await analysis({ projectId: 'p' })
    await setProject('p', 1)
    await addJobs(id, 700)
    expect(await admit()).toBe(1)
    await setProject('p', null)
    expect(await admit()).toBe(699)
    expect(await claim(1000)).toHaveLength(700)
  })

  it('comes with another project', async () => {
    const id = await analysis({ projectId: 'p' })
    await addJobs(id, 2)
    await analysis({ title: 'there', projectId: 'q' })
    await setProject('q', 1)
    await pool().query(`update analyses set project_id = 'q' where id = $1`, [id])
    expect(await count('ready')).toBe(0)
    expect(await admit()).toBe(1)
  })

  it('reaches jobs whose insert is not committed yet', async () => {
    const id = await analysis({ projectId: 'p' })
    const client = await pool().connect()
    try {
      await client.query('begin')
      await client.query('insert into analysis_jobs (analysis_id) values ($1)', [id])
      const change = setProject('p', 1)
      await client.query('commit')
      await change
    } finally {
      client.release()
    }
    expect(await count('ready')).toBe(0)
    expect(await count('waits_for_slot')).toBe(1)
  })

  it('leaves updated_at of an analysis alone', async () => {
    const id = await analysis({ maxConcurrent: 'unread' })
    const updatedAt = async () =>
      (await pool().query('select updated_at from analyses where id = $1', [id])).rows
    const before = await updatedAt()
    await declareLimit(pool(), id, 3)
    expect(await updatedAt()).toEqual(before)
  })
})

describe('insertClaimedJob', () => {
  it('takes a slot, and is refused naming the limit when there is none', async () => {
    const id = await analysis({ title: 'once', maxConcurrent: 1 })
    await runDirectly(id)
    await expect(runDirectly(id)).rejects.toMatchObject({
      code: 'LIMITS_FULL',
      message: 'the analysis "once" runs at most 1 job at a time',
    })
    await addJobs(id, 1)
    expect(await admit()).toBe(0)
  })

  it('is refused by a full project', async () => {
    const one = await analysis({ title: 'one', projectId: 'p' })
    const two = await analysis({ title: 'two', projectId: 'p' })
    await setProject('p', 1)
    await runDirectly(one)
    await expect(runDirectly(two)).rejects.toMatchObject({
      code: 'LIMITS_FULL',
      message: 'the project "p" runs at most 1 job at a time',
    })
  })

  it('goes before jobs that were admitted and have not begun', async () => {
    const id = await analysis({ title: 'once', maxConcurrent: 1 })
    const [waiting = ''] = await addJobs(id, 1)
    expect(await admit()).toBe(1)
    const job = await runDirectly(id)
    expect(await slot(waiting)).toEqual(
      waitsFor('the analysis "once" runs at most 1 job at a time'),
    )
    expect(await claim()).toEqual([])
    await finish(job)
    expect(await admit()).toBe(1)
  })

  it('needs no slot of the project for a child, and leaves none that was kept for one', async () => {
    const parent = await analysis({ title: 'parent', projectId: 'p' })
    const child = await analysis({ title: 'child', projectId: 'p', maxConcurrent: 1 })
    await setProject('p', 1)
    const { id: parentJobId } = await runDirectly(parent)
    const slotRequestId = randomUUID()
    await requestSlot(queries(), slotRequestId, child)
    await expect(runDirectly(child)).rejects.toMatchObject({ code: 'LIMITS_FULL' })
    await runDirectly(child, { parentJobId, slotRequestId })
    const { rows } = await pool().query('select from analysis_slot_requests')
    expect(rows).toHaveLength(0)
    await expect(runDirectly(child, { parentJobId })).rejects.toMatchObject({
      code: 'LIMITS_FULL',
    })
    expect(await count('holds_slot')).toBe(2)
  })
})
