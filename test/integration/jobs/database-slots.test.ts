/** Slots of project databases, by the statements that executors and commands make. */
import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import {
  type ClaimedJob,
  admitJobs,
  cancelJob,
  claimJobs,
  clearCommitting,
  finishJobs,
  handBackJobs,
  holdDatabase,
  insertClaimedJob,
  markCommitting,
  registerExecutor,
  requestSlot,
  rescueJobs,
  withdrawSlotRequest,
} from '../../../src/core/jobs/index.ts'
import { currentProcessIdentity } from '../../../src/core/os/index.ts'
import { type TestContext, openTestContext } from '../../support/core-context.ts'
import { insertAnalysis, insertJob, readJob } from '../../support/queue.ts'

let test: TestContext
let executorId: string
let reader: string
let writer: string
const here = randomUUID()

beforeAll(async () => {
  test = await openTestContext()
})
afterAll(() => test.close())
beforeEach(async () => {
  await pool().query('truncate analyses, projects, analysis_executors cascade')
  executorId = await addExecutorOf(here)
  reader = await analysis('read')
  writer = await analysis('write')
})

const pool = () => test.context.database.pool
const queries = () => test.context.database.queries

async function addExecutorOf(dataFolderId: string): Promise<string> {
  const id = randomUUID()
  await registerExecutor(queries(), {
    id,
    label: 'test',
    kind: 'service',
    identity: currentProcessIdentity(),
    dataFolderId,
    concurrency: 10,
    programVersion: '0.0.0',
  })
  return id
}

/** As if its script had been read. */
async function analysis(use: 'read' | 'write', projectId = 'shop'): Promise<string> {
  const id = await insertAnalysis(pool(), undefined, { title: use, projectId })
  await pool().query(
    `update analysis_versions set definition = jsonb_build_object('database', $2::text)
     where analysis_id = $1`,
    [id, use],
  )
  return id
}

const admit = () => admitJobs(queries())
const claim = (id = executorId) => claimJobs(queries(), id, 100)
/** Admits and claims; the ids. */
async function next(id = executorId): Promise<string[]> {
  await admit()
  return (await claim(id)).map((job) => job.id)
}
async function jobs(analysisId: string, count: number): Promise<string[]> {
  const ids: string[] = []
  for (let index = 0; index < count; index += 1) ids.push(await insertJob(pool(), analysisId))
  return ids
}

async function finish(id: string): Promise<void> {
  const { lease_token: leaseToken } = await readJob(pool(), id)
  const outcome = {
    status: 'completed',
    resultText: '1',
    error: null,
    logs: [],
    peakMemoryBytes: null,
    startDelayMs: 0,
    durationMs: 1,
  } as const
  const lease = { jobId: id, leaseToken: leaseToken ?? '' }
  await finishJobs(queries(), [{ lease, outcome }])
}

async function reasonOf(id: string): Promise<string | null> {
  const { rows } = await pool().query<{ reason: string | null }>(
    `select kiln_database_reason('shop', database_use) as reason from analysis_jobs where id = $1`,
    [id],
  )
  return rows[0]?.reason ?? null
}

const start = (
  analysisId: string,
  more: Partial<Parameters<typeof insertClaimedJob>[1]> = {},
): Promise<ClaimedJob> =>
  insertClaimedJob(queries(), {
    analysisId,
    versionNumber: 1,
    parameters: {},
    triggeredBy: 'test',
    executorId,
    ...more,
  })

const hold = (use: 'read' | 'write', waitMs = 0) =>
  holdDatabase(test.context, { projectId: 'shop', use, purpose: 'a test', waitMs })

describe('slots of a project database', () => {
  it('go to many readers or one writer, first come first served', async () => {
    const early = await jobs(reader, 3)
    const [one = '', two = ''] = await jobs(writer, 2)
    const late = await jobs(reader, 2)
    expect((await next()).sort()).toEqual(early.toSorted())
    expect(await next()).toEqual([])
    expect(await reasonOf(one)).toBe('the database of the project "shop" is being read by 3 others')
    for (const id of early) await finish(id)
    expect(await next()).toEqual([one])
    expect(await reasonOf(late[0] ?? '')).toBe(
      `the database of the project "shop" is being written by job ${one}`,
    )
    await finish(one)
    expect(await next()).toEqual([two])
    await finish(two)
    expect((await next()).sort()).toEqual(late.toSorted())
  })

  it('let a writer come though readers never end to come', async () => {
    await jobs(reader, 2)
    const running = await next()
    const [id = ''] = await jobs(writer, 1)
    for (let turn = 0; turn < 5; turn += 1) {
      await jobs(reader, 1)
      await finish(running.shift() ?? '').catch(() => undefined)
      const claimed = await next()
      if (claimed.includes(id)) return
      running.push(...claimed)
    }
    throw new Error('the writer never came')
  })

  it('are of each project for itself', async () => {
    const [first = ''] = await jobs(writer, 1)
    const [other = ''] = await jobs(await analysis('write', 'other'), 1)
    expect((await next()).sort()).toEqual([first, other].sort())
  })

  it.each(['cancel', 'rescue', 'hand back', 'delete'])('are free after a %s', async (end) => {
    const [first = '', second = ''] = await jobs(writer, 2)
    expect(await next()).toEqual([first])
    if (end === 'cancel') await cancelJob(queries(), first, 'test')
    if (end === 'delete') await pool().query('delete from analysis_jobs where id = $1', [first])
    if (end === 'hand back') await handBackJobs(queries(), executorId)
    if (end === 'rescue') {
      const { rows } = await pool().query<{ beat_count: number }>(
        'select beat_count from analysis_executors where id = $1',
        [executorId],
      )
      await rescueJobs(queries(), executorId, Number(rows[0]?.beat_count))
    }
    const other = await addExecutorOf(here)
    const again = await next(other)
    expect(again).toHaveLength(1)
    await finish(again[0] ?? '')
    if (end === 'cancel' || end === 'delete') expect(again).toEqual([second])
    else expect([...again, ...(await next(other))].sort()).toEqual([first, second].sort())
  })

  it('are kept, and the job too, while it commits', async () => {
    const [first = ''] = await jobs(writer, 2)
    await next()
    const { lease_token: leaseToken } = await readJob(pool(), first)
    const lease = { jobId: first, leaseToken: leaseToken ?? '' }
    expect(await markCommitting(queries(), lease)).toBe(true)
    expect(await cancelJob(queries(), first, 'test')).toBe(false)
    await handBackJobs(queries(), executorId)
    const { rows } = await pool().query<{ beat_count: number }>(
      'select beat_count from analysis_executors where id = $1',
      [executorId],
    )
    expect(await rescueJobs(queries(), executorId, Number(rows[0]?.beat_count))).toMatchObject({
      pending: 0,
      failed: 0,
    })
    expect(await readJob(pool(), first)).toMatchObject({
      status: 'running',
      lease_token: leaseToken,
      holds_slot: true,
    })
    expect(await next(await addExecutorOf(here))).toEqual([])
    expect(await markCommitting(queries(), { ...lease, leaseToken: randomUUID() })).toBe(false)
    expect(await clearCommitting(queries(), lease)).toBe(true)
    expect(await rescueJobs(queries(), executorId, 0)).toMatchObject({ pending: 1 })
  })
})

describe('a hold of a project database', () => {
  const confirmed = (one: Awaited<ReturnType<typeof hold>>) =>
    queries()
      .transaction()
      .execute((transaction) => one.confirm(transaction))

  it('is no more when its process stood still for long', async () => {
    const one = await hold('write')
    await confirmed(one)
    await pool().query(`update analysis_database_holds set beat_at = now() - interval '31 seconds'`)
    await expect(confirmed(one)).rejects.toMatchObject({ code: 'PROJECT_DATABASE_BUSY' })
    const other = await hold('write')
    await confirmed(other)
    await one.release()
    await other.release()
  })
})

describe('a project with a home', () => {
  it('has its jobs run there only, and they say so', async () => {
    await pool().query('update projects set home_folder = $1', [randomUUID()])
    const [id = ''] = await jobs(reader, 1)
    expect(await next()).toEqual([])
    expect(await reasonOf(id)).toMatch(/is in the data folder .*, and no executor of it runs/)
    await pool().query('update projects set home_folder = $1', [here])
    const elsewhere = await addExecutorOf(randomUUID())
    expect(await next(elsewhere)).toEqual([])
    expect(await next()).toEqual([id])
  })

  it('refuses one that would start elsewhere at once', async () => {
    await pool().query('update projects set home_folder = $1', [randomUUID()])
    await expect(start(reader)).rejects.toMatchObject({ code: 'PROJECT_DATABASE_ELSEWHERE' })
  })
})

describe('jobs that start at once', () => {
  it('are refused while others have the database, and go before those that have not begun', async () => {
    const job = await start(writer)
    expect(job).toMatchObject({ holdsSlot: true, databaseUse: 'write' })
    await expect(start(reader)).rejects.toMatchObject({ code: 'LIMITS_FULL' })
    await finish(job.id)
    const [pending = ''] = await jobs(writer, 1)
    await admit()
    const next = await start(writer)
    expect(await readJob(pool(), pending)).toMatchObject({ status: 'pending', holds_slot: false })
    await finish(next.id)
  })

  it('come after a child that asked before', async () => {
    const [above = ''] = await jobs(reader, 1)
    expect(await next()).toEqual([above])
    const request = randomUUID()
    await requestSlot(queries(), request, writer)
    await jobs(reader, 1)
    expect(await next()).toEqual([])
    await expect(start(reader)).rejects.toMatchObject({ code: 'LIMITS_FULL' })
    await expect(start(writer, { slotRequestId: request })).rejects.toMatchObject({
      code: 'LIMITS_FULL',
    })
    await finish(above)
    const job = await start(writer, { slotRequestId: request })
    await finish(job.id)
    await withdrawSlotRequest(queries(), request)
    expect(await next()).toHaveLength(1)
  })
})

describe('what is no job', () => {
  it('has a slot beside readers, and before the jobs that wait', async () => {
    const [running = ''] = await jobs(reader, 1)
    await next()
    const beside = await hold('read')
    await expect(hold('write')).rejects.toMatchObject({ code: 'PROJECT_DATABASE_BUSY' })
    await beside.release()
    const waiting = hold('write', 20_000)
    await expect
      .poll(async () => (await pool().query('select from analysis_database_holds')).rowCount)
      .toBe(1)
    const [late = ''] = await jobs(reader, 1)
    expect(await next()).toEqual([])
    await finish(running)
    const alone = await waiting
    expect(await next()).toEqual([])
    expect(await reasonOf(late)).toBe(
      'the database of the project "shop" is being written by a test',
    )
    await alone.release()
    expect(await next()).toEqual([late])
  })

  it('loses its slot when it died', async () => {
    await pool().query(
      `insert into analysis_database_holds (id, project_id, database_use, purpose, granted_at, beat_at)
       values (gen_random_uuid(), 'shop', 'write', 'dead', now(), now() - interval '31 seconds')`,
    )
    const [id = ''] = await jobs(reader, 1)
    expect(await next()).toEqual([id])
  })
})
