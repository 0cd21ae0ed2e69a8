import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import type { Context } from '../../../src/core/context.ts'
import { type JobLogLine, followJobLogs, readAllJobLogs } from '../../../src/core/jobs/index.ts'
import { type TestContext, openTestContext } from '../../support/core-context.ts'
import { openLosingDatabase } from '../../support/losing-database.ts'
import {
  addLastingExecutor,
  insertAnalysis,
  insertJob,
  insertLogLines,
} from '../../support/queue.ts'
import { waitUntil } from '../../support/wait-until.ts'

let test: TestContext
let analysisId: string
beforeAll(async () => {
  test = await openTestContext()
  analysisId = await insertAnalysis(test.context.database.pool)
})
afterAll(() => test.close())

const sql = (text: string, values: unknown[] = []) => test.context.database.pool.query(text, values)
const running = async () =>
  insertJob(test.context.database.pool, analysisId, {
    status: 'running',
    executor_id: await addLastingExecutor(test.context),
    lease_token: randomUUID(),
  })

function log(jobId: string, message: string, line: Partial<JobLogLine> = {}): Promise<void> {
  lineNumber += 1
  return insertLogLines(test.context.database.pool, jobId, [
    { attempt: 1, lineNumber, level: 'info', loggedAt: '2026-01-01T00:00:00Z', message, ...line },
  ])
}
let lineNumber = 0

/** Follows a job into a list that can be looked at meanwhile. */
function follow(jobId: string, changes: Partial<Context> = {}) {
  const messages: string[] = []
  const ended = (async () => {
    for await (const lines of followJobLogs({ ...test.context, ...changes }, jobId)) {
      messages.push(...lines.map((line) => line.message))
    }
  })()
  return { messages, ended }
}

describe('followJobLogs', () => {
  it('goes on while the database is away, and gives each line once', async () => {
    const id = await running()
    await log(id, 'stored')
    await sql(`update analysis_jobs set status = 'completed' where id = $1`, [id])
    const looks = [/from "?analysis_jobs"?/, /analysis_job_logs/]
    const database = openLosingDatabase(test.database.connectionString, (text, lost) =>
      looks.some((look) => look.test(text) && !lost.some((before) => look.test(before))),
    )
    onTestFinished(() => database.close())
    const { messages, ended } = follow(id, { database })
    await ended
    expect(messages).toEqual(['stored'])
    expect(database.lost).toHaveLength(2)
  })

  it('gives stored lines, then new ones, and ends with the job', async () => {
    const id = await running()
    await log(id, 'stored')
    const { messages, ended } = follow(id)
    await waitUntil('the stored line is there', () => messages.includes('stored'))
    await log(id, 'new')
    await waitUntil('the new line is there', () => messages.includes('new'))
    await log(id, 'last')
    await sql(`update analysis_jobs set status = 'completed' where id = $1`, [id])
    await ended
    expect(messages).toEqual(['stored', 'new', 'last'])
  })

  it('waits for what the executor of a cancelled job still has to store', async () => {
    const id = await running()
    await sql(`update analysis_jobs set status = 'cancelled' where id = $1`, [id])
    let looks = 0
    const clock = { ...test.context.clock, monotonic: () => (looks += 1) }
    const { messages, ended } = follow(id, { clock })
    // The first look at the clock notes the end, the next one comes when all lines were read.
    await waitUntil('the end was seen', () => looks >= 2)
    await log(id, 'late')
    await sql('update analysis_jobs set lease_token = null where id = $1', [id])
    await ended
    expect(messages).toEqual(['late'])
  })

  it('ends after a while when the executor of a cancelled job never comes', async () => {
    const id = await running()
    await sql(`update analysis_jobs set status = 'cancelled' where id = $1`, [id])
    let now = 0
    const { messages, ended } = follow(id, {
      clock: { ...test.context.clock, monotonic: () => (now += 2000) },
    })
    await ended
    expect(messages).toEqual([])
  })

  it('follows a pending job through its attempts', async () => {
    const id = await insertJob(test.context.database.pool, analysisId)
    const { messages, ended } = follow(id)
    await log(id, 'first try', { attempt: 1, lineNumber: 7 })
    await waitUntil('the first attempt is there', () => messages.length === 1)
    await log(id, 'second try', { attempt: 2, lineNumber: 0 })
    await sql(`update analysis_jobs set status = 'failed' where id = $1`, [id])
    await ended
    expect(messages).toEqual(['first try', 'second try'])
  })
})

describe('readAllJobLogs', () => {
  it('filters by level and time, over pages', async () => {
    const id = await running()
    const lines = Array.from({ length: 2500 }, (_, index): JobLogLine => ({
      attempt: 1,
      lineNumber: index,
      level: index % 2 === 0 ? 'debug' : 'warn',
      message: String(index),
      loggedAt: new Date(Date.parse('2026-01-01T00:00:00Z') + index * 1000).toISOString(),
    }))
    await insertLogLines(test.context.database.pool, id, lines)
    await log(id, 'broken', { level: 'error', lineNumber: 2500, loggedAt: '2026-01-02T00:00:00Z' })
    const read = (filter?: Parameters<typeof readAllJobLogs>[2]) =>
      readAllJobLogs(test.context.database.queries, id, filter)
    expect((await read()).map((line) => line.message)).toEqual([
      ...lines.map((line) => line.message),
      'broken',
    ])
    expect(await read({ level: 'warn' })).toHaveLength(1251)
    expect(await read({ level: 'error' })).toMatchObject([{ message: 'broken' }])
    const late = await read({ since: '2026-01-01T00:41:38Z', level: 'info' })
    expect(late.map((line) => line.message)).toEqual(['2499', 'broken'])
  })
})
