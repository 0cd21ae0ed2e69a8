import { randomUUID } from 'node:crypto'
import { existsSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import path from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { type CleanupInput, type CleanupKind, cleanUp } from '../../../src/core/cleanup/index.ts'
import { daysAgo, insertEnded, putResult } from '../../support/cleanup.ts'
import { type TestContext, openTestContext } from '../../support/core-context.ts'
import { insertAnalysis, insertJob } from '../../support/queue.ts'
import { insertSchedule } from '../../support/schedules.ts'

let test: TestContext
let analysisId: string
beforeAll(async () => {
  test = await openTestContext()
  analysisId = await insertAnalysis(test.context.database.pool)
})
afterAll(() => test.close())
beforeEach(async () => {
  await sql('truncate analysis_jobs, analysis_schedules, analysis_executors cascade')
})

const sql = async (text: string, values: unknown[] = []) =>
  (await test.context.database.pool.query<Record<string, unknown>>(text, values)).rows
const ended = (days: number, columns = {}) => insertEnded(test.context, analysisId, days, columns)
const jobIds = async () => (await sql('select id from analysis_jobs')).map(({ id }) => id)
const countOf = async (table: string) =>
  (await sql(`select count(*)::integer as count from ${table}`))[0]?.count

async function clean(input: CleanupInput = {}) {
  const report = await cleanUp(test.context, input)
  const item = (kind: CleanupKind) => report.items.find((one) => one.kind === kind)
  return { ...report, item, count: (kind: CleanupKind) => item(kind)?.count }
}

describe('jobs', () => {
  it('deletes ended ones after a year, and keeps all others', async () => {
    await ended(366)
    await ended(400, { status: 'failed' })
    await ended(400, { status: 'cancelled' })
    const kept = [
      await ended(364),
      // Waited for long and ended yesterday.
      await ended(400, { completed_at: daysAgo(1) }),
      await insertJob(test.context.database.pool, analysisId, { created_at: daysAgo(500) }),
      await insertJob(test.context.database.pool, analysisId, {
        created_at: daysAgo(500),
        started_at: daysAgo(500),
        status: 'running',
      }),
    ]
    const report = await clean()
    expect(report.count('jobs')).toBe(3)
    expect((await jobIds()).map(String).toSorted()).toEqual(kept.toSorted())
    expect(report.vacuumedTables).toContain('analysis_jobs')
  })

  it('takes what is theirs along, the files too', async () => {
    const id = await ended(400)
    // Young, as after a move of rows: nothing but the job's end takes it.
    const file = await putResult(test.context, id, { days: 1 })
    await sql(
      `insert into analysis_job_logs (job_id, attempt, line_number, level, message)
       values ($1, 1, 1, 'info', 'x')`,
      [id],
    )
    const report = await clean()
    expect(report.item('jobs')).toMatchObject({ count: 1, files: 1, bytes: 7, state: 'done' })
    expect(existsSync(file)).toBe(false)
    expect(await countOf('analysis_job_logs')).toBe(0)
  })

  it('deletes a family whole, and none of it while one has not ended', async () => {
    const running = { status: 'running', completed_at: null }
    const old = await ended(400)
    const child = await ended(399, { parent_job_id: old })
    await ended(398, { parent_job_id: child })
    const busy = await ended(400)
    const busyChild = await ended(399, { parent_job_id: busy })
    const kept = [busy, busyChild, await ended(398, { parent_job_id: busyChild, ...running })]
    const waiting = await ended(10, running)
    kept.push(waiting, await ended(400, { parent_job_id: waiting }))
    expect((await clean()).count('jobs')).toBe(3)
    expect((await jobIds()).map(String).toSorted()).toEqual(kept.toSorted())
  })

  it('needs many batches for many, also when they were made at one instant', async () => {
    await sql(
      `insert into analysis_jobs (analysis_id, status, created_at, completed_at)
       select $1, 'completed', now() - interval '400 days', now() - interval '400 days'
       from generate_series(1, 105)`,
      [analysisId],
    )
    const seen: number[] = []
    const report = await clean({ batchSize: 10, onProgress: (_kind, count) => seen.push(count) })
    expect(report.count('jobs')).toBe(105)
    expect(seen.filter((count) => count > 0)).toHaveLength(11)
    expect(await jobIds()).toEqual([])
  })

  it('leaves one row in the audit log for a kind, whatever the number of batches', async () => {
    await sql('truncate analysis_audit_log')
    for (let count = 0; count < 3; count += 1) await ended(400)
    await clean({ batchSize: 1 })
    expect(await sql('select actor, action, target_id from analysis_audit_log')).toEqual([
      { actor: 'tester', action: 'cleanup.delete', target_id: 'jobs' },
    ])
  })
})

describe('results', () => {
  it('deletes row and file after 90 days, and says so to who asks for the result', async () => {
    const old = await ended(100)
    const young = await ended(80)
    const files = [
      await putResult(test.context, old, { days: 91 }),
      await putResult(test.context, young, { days: 80 }),
    ]
    expect((await clean()).item('results')).toMatchObject({ count: 1, files: 1, bytes: 7 })
    expect(files.map((file) => existsSync(file))).toEqual([false, true])
    expect(await jobIds()).toHaveLength(2)
  })

  it('leaves files of other data folders, and files outside of the results, where they are', async () => {
    const elsewhere = await ended(100)
    const file = await putResult(test.context, elsewhere, { days: 100, folderId: randomUUID() })
    const outside = path.join(test.folder.path, 'precious')
    await writeFile(outside, 'x')
    const hostile = await ended(100)
    await putResult(test.context, hostile, { days: 100, place: 'results/x' })
    await sql('update analysis_result_storage set storage_path = $1 where job_id = $2', [
      '../precious',
      hostile,
    ])
    const report = await clean({ kinds: ['results'] })
    expect(report.item('results')).toMatchObject({ count: 2, files: 0 })
    expect([file, outside].map((one) => existsSync(one))).toEqual([true, true])
    expect(await countOf('analysis_result_storage')).toBe(0)
  })

  it('keeps the result of a job that has not ended', async () => {
    const id = await ended(100, { status: 'running', completed_at: null })
    const file = await putResult(test.context, id, { days: 100 })
    expect((await clean()).count('results')).toBe(0)
    expect(existsSync(file)).toBe(true)
  })
})

it('deletes old log lines of ended jobs only', async () => {
  const jobs = [
    await ended(100),
    await ended(100, { status: 'running', completed_at: null }),
    await ended(10),
  ]
  for (const [index, id] of jobs.entries()) {
    await sql(
      `insert into analysis_job_logs (job_id, attempt, line_number, level, message, logged_at)
       select $1, 1, line, 'info', 'x', $2::timestamptz
       from generate_series(1, 25) line`,
      [id, daysAgo(index === 2 ? 10 : 100)],
    )
  }
  expect((await clean({ batchSize: 10 })).count('logs')).toBe(25)
  const left = await sql('select distinct job_id from analysis_job_logs')
  expect(left.map((row) => String(row.job_id)).toSorted()).toEqual(jobs.slice(1).toSorted())
})

it('deletes old occurrences, but the last of a schedule and those whose job has not ended', async () => {
  const insertOccurrence = (schedule: string, days: number, columns: unknown[] = []) =>
    sql(
      `insert into analysis_schedule_occurrences
         (schedule_id, scheduled_for, decision, decided_at, job_id)
       values ($1, $2, 'fired', coalesce($3, $2::timestamptz), $4)`,
      [schedule, daysAgo(days), columns[0] ?? null, columns[1] ?? null],
    )
  const { pool } = test.context.database
  const yearly = await insertSchedule(pool, analysisId, { last_scheduled_for: daysAgo(366.5) })
  await sql('update analysis_schedules set last_scheduled_for = $1', [daysAgo(366)])
  for (const days of [800, 700]) await insertOccurrence(yearly, days)
  const daily = await insertSchedule(pool, analysisId, { last_scheduled_for: daysAgo(1) })
  for (const days of [500, 400, 1]) await insertOccurrence(daily, days)
  // A backfill decided today; a job that still waits.
  await insertOccurrence(daily, 450, [daysAgo(0)])
  await insertOccurrence(daily, 460, [null, await insertJob(pool, analysisId)])
  const last = await insertSchedule(pool, analysisId, { last_scheduled_for: daysAgo(400) })
  await sql(
    `insert into analysis_schedule_occurrences (schedule_id, scheduled_for, decision, decided_at)
     select id, last_scheduled_for, 'fired', last_scheduled_for
     from analysis_schedules where id = $1`,
    [last],
  )
  expect((await clean({ batchSize: 2 })).count('occurrences')).toBe(4)
  expect(await countOf('analysis_schedule_occurrences')).toBe(4)
})

it('deletes executors that stopped before the oldest job that is kept', async () => {
  for (const [label, stopped] of [
    ['old', daysAgo(370)],
    ['young', daysAgo(3)],
    ['running', null],
  ]) {
    await sql(
      `insert into analysis_executors (id, label, kind, host, pid, started_at, stopped_at)
       values (gen_random_uuid(), $1, 'one_shot', 'here', 1, '2020-01-01', $2)`,
      [label, stopped],
    )
  }
  expect((await clean()).count('executors')).toBe(1)
  const left = await sql('select label from analysis_executors order by label')
  expect(left.map(({ label }) => label)).toEqual(['running', 'young'])
})

describe('options', () => {
  it('counts in a dry run what a run deletes, and changes nothing', async () => {
    const id = await ended(400)
    const file = await putResult(test.context, id, { days: 400 })
    await ended(399, { parent_job_id: id })
    const dry = await clean({ dryRun: true, batchSize: 1 })
    expect([dry.count('results'), dry.count('jobs'), dry.item('results')?.bytes]).toEqual([1, 2, 7])
    expect([dry.vacuumedTables, existsSync(file), await countOf('analysis_jobs')]).toEqual([
      [],
      true,
      2,
    ])
    const wet = await clean()
    expect([wet.count('results'), wet.count('jobs')]).toEqual([1, 2])
  })

  it('keeps a job as long as its result, where the settings say less', async () => {
    const settings = { ...test.context.settings, jobRetentionMs: 10 * 86_400_000 }
    const kept = await ended(80)
    await ended(100)
    await cleanUp({ ...test.context, settings })
    expect(await jobIds()).toEqual([kept])
  })

  it('takes everything by one age when told', async () => {
    const id = await ended(40)
    await putResult(test.context, id, { days: 40 })
    await ended(20)
    const report = await clean({ olderThanMs: 30 * 86_400_000 })
    expect([report.count('results'), report.count('jobs')]).toEqual([1, 1])
  })

  it('begins nothing when the time is over, and goes on the next time', async () => {
    for (let count = 0; count < 3; count += 1) await ended(400)
    const times = [0, 0, 0, 0, 5000]
    const clock = { now: () => Date.now(), monotonic: () => times.shift() ?? 9000 }
    const report = await cleanUp({ ...test.context, clock }, { maxDurationMs: 1000, batchSize: 1 })
    expect(report.items.map(({ state }) => state)).toContain('unfinished')
    expect((await jobIds()).length).toBeGreaterThan(0)
    await clean()
    expect(await jobIds()).toEqual([])
  })

  it('does only what it is told', async () => {
    const id = await ended(400)
    await putResult(test.context, id, { days: 400 })
    const report = await clean({ kinds: ['results'] })
    expect(report.items.map(({ kind }) => kind)).toEqual(['results'])
    expect(await jobIds()).toEqual([id])
  })
})

describe('others at work', () => {
  const locking = async <T>(text: string, work: () => Promise<T>): Promise<T> => {
    const client = await test.context.database.pool.connect()
    try {
      await client.query(text)
      return await work()
    } finally {
      client.release(true)
    }
  }

  it('does the files while another cleans the rows, and says who that is', async () => {
    await ended(400)
    const report = await locking('select pg_advisory_lock(1802071150, 30)', () => clean())
    expect(report.item('jobs')?.state).toBe('elsewhere')
    expect(report.item('tmp')?.state).toBe('done')
    expect(report.notes.join()).toMatch(/another cleanup is at work too: pid \d+ \(kiln test\)/)
  })

  it.each([
    ['another cleanup', { kinds: ['jobs'] } as const, 30, /another cleanup is at work: pid \d+/],
    ['a migration or a restore', {}, 1, /being changed or restored by pid \d+/],
  ])('leaves everything to %s', async (_name, input, key, message) => {
    await ended(400)
    await expect(
      locking(`select pg_advisory_lock(1802071150, ${key})`, () => clean(input)),
    ).rejects.toMatchObject({ code: 'LOCK_TIMEOUT', message: expect.stringMatching(message) })
    expect(await jobIds()).toHaveLength(1)
  })

  it("does not ask for restore's lock, which whoever adds jobs has", async () => {
    await ended(400)
    const report = await locking('select pg_advisory_lock_shared(1802071150, 2)', () => clean())
    expect(report.item('jobs')).toMatchObject({ count: 1, state: 'done' })
  })

  it('leaves results and jobs alone while a backup reads them', async () => {
    const id = await ended(400)
    const file = await putResult(test.context, id, { days: 400 })
    const report = await locking(
      `set application_name = 'kiln backup create'; select pg_advisory_lock_shared(1802071150, 1)`,
      () => clean(),
    )
    expect(report.item('jobs')?.state).toBe('elsewhere')
    expect([await jobIds(), existsSync(file)]).toEqual([[id], true])
    expect(report.notes.join()).toContain('a backup is under way')
  })

  it('keeps no lock of its own', async () => {
    await clean()
    // Other tests use other databases of the same server.
    const held = await sql(`
      select *
      from pg_locks
      where locktype = 'advisory'
        and database = (select oid from pg_database where datname = current_database())`)
    expect(held).toEqual([])
  })

  it('stops between two batches when it is told to', async () => {
    for (let count = 0; count < 3; count += 1) await ended(400)
    const stopping = new AbortController()
    const reason = new Error('enough')
    await expect(
      cleanUp(
        { ...test.context, signal: stopping.signal },
        { batchSize: 1, onProgress: (kind) => kind === 'jobs' && stopping.abort(reason) },
      ),
    ).rejects.toBe(reason)
    expect(await jobIds()).toHaveLength(2)
  })
})
