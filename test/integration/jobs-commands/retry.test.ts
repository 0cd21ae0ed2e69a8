import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { storeDefinition } from '../../../src/core/analyses/index.ts'
import { readDefinition } from '../../../src/core/analyses/read-definition.ts'
import { retryJob, retryJobs } from '../../../src/core/jobs/index.ts'
import { type TestContext, openTestContext } from '../../support/core-context.ts'
import { insertAnalysis, insertJob } from '../../support/queue.ts'

let test: TestContext
let analysisId: string
beforeAll(async () => {
  test = await openTestContext()
})
afterAll(() => test.close())
beforeEach(async () => {
  await test.context.database.pool.query('truncate analysis_jobs, analysis_audit_log cascade')
  analysisId = await insertAnalysis(test.context.database.pool)
})

const sql = async (text: string, values: unknown[] = []): Promise<Record<string, unknown>[]> =>
  (await test.context.database.pool.query(text, values)).rows
const add = (columns: Readonly<Record<string, unknown>> = {}) =>
  insertJob(test.context.database.pool, analysisId, columns)
const jobCount = async () => (await sql('select count(*)::int as n from analysis_jobs'))[0]?.n

/** Stores a definition for the newest version: one parameter `top`, a number from 1 to 9. */
const declareParameter = () =>
  declare({ parameters: [{ name: 'top', type: 'number', min: 1, max: 9, default: 3 }] })

async function declare(declared: Readonly<Record<string, unknown>>): Promise<void> {
  const read = readDefinition({ form: 'object', language: 'javascript', declared })
  if (read.status === 'invalid') throw new Error(JSON.stringify(read.problems))
  await storeDefinition(test.context, analysisId, 1, { definition: read.definition })
}

describe('retryJob', () => {
  it('queues a linked job with the same parameters, for the newest version', async () => {
    const old = await add({
      status: 'failed',
      parameters: '{"top": 5}',
      priority: 7,
      max_attempts: 4,
      version_number: 1,
      idempotency_key: 'once',
    })
    const { id } = await retryJob(test.context, old)
    const [job] = await sql('select * from analysis_jobs where id = $1', [id])
    expect(job).toMatchObject({
      status: 'pending',
      parameters: { top: 5 },
      priority: 7,
      max_attempts: 4,
      version_number: null,
      triggered_by: 'retry',
      retry_of: old,
      idempotency_key: null,
    })
    expect(
      await sql(
        `select action, target_id, details, before_hash = after_hash as stays
         from analysis_audit_log`,
      ),
    ).toEqual([{ action: 'job.retry', target_id: old, details: { new_job_id: id }, stays: true }])
    const together = await sql(`
      select job.id from analysis_jobs job join analysis_audit_log audit on audit.xmin = job.xmin`)
    expect(together).toEqual([{ id }])
  })

  it('means the days of the old one by its relative dates', async () => {
    const day = { name: 'day', type: 'date', default: 'today', max: '2026-01-02' }
    await declare({ parameters: [day] })
    // In Berlin it is the 2nd already; today it is long past that.
    const scheduled = {
      scheduled_for: '2026-01-01T23:30:00Z',
      schedule_timezone: 'Europe/Berlin',
    }
    const old = await add({ status: 'failed', ...scheduled })
    const { id } = await retryJob(test.context, old)
    expect(await sql('select * from analysis_jobs where id = $1', [id])).toMatchObject([
      { ...scheduled, schedule_id: null },
    ])
    const nowhere = await add({ status: 'failed', schedule_timezone: 'Mars/Phobos' })
    await expect(retryJob(test.context, nowhere)).rejects.toMatchObject({
      code: 'PARAMETER_INVALID',
      message: `the job's time zone "Mars/Phobos" does not exist`,
    })
  })

  it('queues nothing when its audit row cannot be written', async () => {
    const old = await add({ status: 'failed' })
    await sql(`alter table analysis_audit_log add constraint no_room check (action <> 'job.retry')`)
    await expect(retryJob(test.context, old)).rejects.toThrow('no_room')
    await sql('alter table analysis_audit_log drop constraint no_room')
    expect(await jobCount()).toBe(1)
  })

  it('refuses parameters that the newest version does not take', async () => {
    const old = await add({ status: 'failed', parameters: '{"top": 5}' })
    await declareParameter()
    const retry = (top: unknown) => retryJob(test.context, old, () => ({ top }))
    await expect(retry(99)).rejects.toMatchObject({ code: 'PARAMETER_INVALID' })
    expect(await jobCount()).toBe(1)
    await retry(9)
    expect(await jobCount()).toBe(2)
  })

  it('hands over the definition and the old parameters to choose from', async () => {
    const old = await add({ status: 'failed', parameters: '{"top": 5}' })
    await declareParameter()
    await retryJob(test.context, old, (definition, before) => {
      expect(definition?.parameters?.map(({ name }) => name)).toEqual(['top'])
      expect(before).toEqual({ top: 5 })
      return before
    })
  })

  it('takes no parameters from a row that has none to speak of', async () => {
    const { id } = await retryJob(test.context, await add({ status: 'failed', parameters: '[1]' }))
    expect(await sql('select parameters from analysis_jobs where id = $1', [id])).toEqual([
      { parameters: {} },
    ])
  })

  it('refuses a disabled analysis', async () => {
    const old = await add({ status: 'failed' })
    await sql('update analyses set is_active = false where id = $1', [analysisId])
    await expect(retryJob(test.context, old)).rejects.toMatchObject({ code: 'ANALYSIS_INACTIVE' })
  })
})

describe('retryJobs', () => {
  it('goes on past a job that cannot be retried', async () => {
    const missing = randomUUID()
    const pending = await add()
    const failed = await add({ status: 'cancelled' })
    const outcomes = await retryJobs(test.context, [missing, pending, failed, failed])
    expect(outcomes.map(({ id, error }) => [id, error?.code])).toEqual([
      [missing, 'JOB_NOT_FOUND'],
      [pending, 'JOB_NOT_FINISHED'],
      [failed, undefined],
    ])
  })

  it('queues nothing when any of the ids is none', async () => {
    const failed = await add({ status: 'failed' })
    await expect(retryJobs(test.context, [failed, 'x'])).rejects.toMatchObject({ code: 'USAGE' })
    expect(await jobCount()).toBe(1)
  })
})
