import { CamelCasePlugin, Kysely, PostgresDialect } from 'kysely'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { DB } from '../../../src/core/database/index.ts'
import {
  type JobChanges,
  findUnfinishedJobs,
  listJobs,
  watchJobs,
} from '../../../src/core/jobs/index.ts'
import { type TestContext, openTestContext } from '../../support/core-context.ts'
import { addLastingExecutor, insertAnalysis, insertJob } from '../../support/queue.ts'

let test: TestContext
let analysisId: string
beforeAll(async () => {
  test = await openTestContext()
  analysisId = await insertAnalysis(test.context.database.pool)
})
afterAll(() => test.close())
beforeEach(async () => {
  await test.context.database.pool.query('truncate analysis_jobs cascade')
})

const sql = (text: string, values: unknown[] = []) => test.context.database.pool.query(text, values)
const add = (columns: Readonly<Record<string, unknown>> = {}, analysis = analysisId) =>
  insertJob(test.context.database.pool, analysis, columns)
const page = (filter: Partial<Parameters<typeof listJobs>[1]>) =>
  listJobs(test.context, { limit: 100, ...filter })

/** How Postgres reads the jobs for a page, or for something else. */
async function planOf(
  filter: Partial<Parameters<typeof listJobs>[1]>,
  ask: (database: typeof test.context.database) => Promise<unknown> = (database) =>
    listJobs({ database }, { limit: 50, ...filter }),
): Promise<string> {
  const { database } = test.context
  const sent: { readonly sql: string; readonly parameters: readonly unknown[] }[] = []
  const queries = new Kysely<DB>({
    dialect: new PostgresDialect({ pool: database.pool }),
    plugins: [new CamelCasePlugin()],
    log: ({ query }) => void sent.push(query),
  })
  await ask({ ...database, queries })
  const [query] = sent
  const { rows } = await sql(`explain ${query?.sql}`, [...(query?.parameters ?? [])])
  return rows.map((row: Record<string, string>) => row['QUERY PLAN']).join('\n')
}

describe('listJobs', () => {
  it('reads no finished job for a list of those that have not ended', async () => {
    await sql(
      `insert into analysis_jobs (analysis_id, status, created_at)
       select $1, 'completed', now() - n * interval '1 second' from generate_series(1, 20000) as n`,
      [analysisId],
    )
    const executor_id = await addLastingExecutor(test.context)
    const running = await add({ status: 'running', executor_id, started_at: '2026-01-01' })
    const pending = await add()
    const held = await add({ ready: false, waiting_reason: 'the dump' })
    await sql('analyze analysis_jobs, analysis_job_queue, analysis_leases')
    const ids = async (filter: Parameters<typeof page>[0]) =>
      (await page(filter)).jobs.map(({ id }) => id)
    const readsFinished = /Seq Scan on analysis_jobs|kiln_analysis_jobs_created/
    const cases = [
      [{ statuses: ['running'] }, [running]],
      [{ longRunningMs: 60_000 }, [running]],
      [{ statuses: ['pending'] }, [held, pending]],
      [{ statuses: ['pending', 'running'] }, [held, pending, running]],
    ] as const
    for (const [filter, expected] of cases) {
      expect(await ids(filter)).toEqual(expected)
      expect(await planOf(filter)).not.toMatch(readsFinished)
    }
    for (const filter of [{}, { status: 'pending' }, { stuckForMs: 60_000 }] as const) {
      const plan = await planOf({}, ({ queries }) => findUnfinishedJobs(queries, filter))
      expect(plan).not.toMatch(readsFinished)
    }
    expect(await ids({ statuses: ['running', 'completed'], limit: 2 })).toHaveLength(2)
  })

  it('gives each job once, newest first, while others are inserted', async () => {
    // Equal to the microsecond, as one statement makes them.
    await sql(
      `insert into analysis_jobs (analysis_id, created_at)
       select $1, timestamptz '2026-01-01 00:00:00.123456Z' + (n / 4) * interval '1 microsecond'
       from generate_series(0, 22) as n`,
      [analysisId],
    )
    const { rows } = await sql('select id from analysis_jobs order by created_at desc, id desc')
    const seen: string[] = []
    let cursor: string | null = null
    do {
      const { jobs, nextCursor } = await page({ limit: 5, ...(cursor ? { cursor } : {}) })
      seen.push(...jobs.map((job) => job.id))
      cursor = nextCursor
      await add()
    } while (cursor !== null)
    expect(seen).toEqual(rows.map((row: { id: string }) => row.id))
  })

  it('has no cursor after exactly the last job', async () => {
    await add()
    await add()
    expect((await page({ limit: 2 })).nextCursor).toBeNull()
    expect((await page({ limit: 1 })).nextCursor).not.toBeNull()
  })

  it.each([
    ['is no cursor', 'nonsense'],
    ['names a time that is none', Buffer.from(`2026-99-99T00:00:00Z ${'a'.repeat(36)}`)],
    ['names an id that is none', Buffer.from(`2026-01-01T00:00:00Z ${'-'.repeat(36)}`)],
  ])('refuses a cursor that %s', async (_name, text) => {
    const cursor = text.toString('base64url')
    await expect(page({ cursor })).rejects.toMatchObject({ code: 'USAGE' })
  })

  it('filters by status, analysis, project, time and time of running', async () => {
    const other = await insertAnalysis(test.context.database.pool, undefined, {
      title: 'other',
      projectId: 'shop',
    })
    const old = await add({ created_at: '2026-01-01T00:00:00Z', status: 'failed' })
    const middle = await add({ created_at: '2026-01-02T00:00:00Z', status: 'cancelled' })
    const running = await add(
      {
        created_at: '2026-01-03T00:00:00Z',
        status: 'running',
        started_at: new Date(Date.now() - 3_600_000).toISOString(),
      },
      other,
    )
    const ids = async (filter: Parameters<typeof page>[0]) =>
      (await page(filter)).jobs.map((job) => job.id)
    expect(await ids({})).toEqual([running, middle, old])
    expect(await ids({ statuses: ['failed', 'running'] })).toEqual([running, old])
    expect(await ids({ analysisId })).toEqual([middle, old])
    expect(await ids({ projectId: 'shop' })).toEqual([running])
    expect(await ids({ since: '2026-01-02T00:00:00Z' })).toEqual([running, middle])
    expect(await ids({ until: '2026-01-02T00:00:00Z' })).toEqual([old])
    expect(await ids({ longRunningMs: 1_800_000 })).toEqual([running])
    expect(await ids({ longRunningMs: 7_200_000 })).toEqual([])
  })

  it('reads neither results nor log lines', async () => {
    await add({ status: 'completed', result: '{"rows": []}', logs: ['line'] })
    const [job] = (await page({})).jobs
    expect(job).not.toHaveProperty('result')
    expect(job).not.toHaveProperty('logs')
  })
})

describe('watchJobs', () => {
  it('gives what changed, also a job that left the list', async () => {
    const executor = await addLastingExecutor(test.context)
    const running = await add({ status: 'running', executor_id: executor })
    await add({ status: 'failed' })
    const stop = new AbortController()
    const looks = watchJobs(
      { ...test.context, signal: stop.signal },
      { limit: 10, statuses: ['running'] },
      1,
    )
    const next = async (): Promise<JobChanges> => (await looks.next()).value as JobChanges
    const changes = ({ changed }: JobChanges) => changed.map((job) => [job.id, job.status])

    expect(changes(await next())).toEqual([[running, 'running']])
    expect(changes(await next())).toEqual([])
    // What nobody is shown.
    await sql('update analysis_jobs set lease_token = gen_random_uuid() where id = $1', [running])
    expect(changes(await next())).toEqual([])
    await sql('update analysis_jobs set progress = 0.5 where id = $1', [running])
    expect((await next()).changed).toMatchObject([{ id: running, progress: 0.5 }])
    await sql(`update analysis_jobs set status = 'completed' where id = $1`, [running])
    const later = await add({ status: 'running', executor_id: executor })
    const look = await next()
    expect(changes(look)).toEqual([
      [running, 'completed'],
      [later, 'running'],
    ])
    expect(look.jobs.map((job) => job.id)).toEqual([later])
    expect(changes(await next())).toEqual([])
    await sql('delete from analysis_jobs where id = $1', [later])
    expect(changes(await next())).toEqual([])
    stop.abort(new Error('enough'))
    await expect(looks.next()).rejects.toThrow('enough')
  })
})
