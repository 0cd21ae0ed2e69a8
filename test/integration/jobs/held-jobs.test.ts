/** Jobs that somebody holds or puts off by SQL while limits decide over them. */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { admitJobs, claimJobs } from '../../../src/core/jobs/index.ts'
import { type TestContext, openTestContext } from '../../support/core-context.ts'
import { addExecutor, insertAnalysis, insertJob } from '../../support/queue.ts'

let test: TestContext
let analysisId: string
beforeAll(async () => {
  test = await openTestContext()
})
afterAll(() => test.close())
beforeEach(async () => {
  await pool().query('truncate analyses, projects, analysis_executors cascade')
  analysisId = await insertAnalysis(pool(), undefined, { title: 'one', maxConcurrent: 1 })
})

const pool = () => test.context.database.pool
const queries = () => test.context.database.queries
const admit = () => admitJobs(queries())
const set = (id: string, change: string) =>
  pool().query(`update analysis_jobs set ${change} where id = $1`, [id])
const add = (columns = {}) => insertJob(pool(), analysisId, columns)
const claim = async () =>
  (await claimJobs(queries(), await addExecutor(test.context), 10)).map(({ id }) => id)

async function state(id: string): Promise<Record<string, unknown> | undefined> {
  const { rows } = await pool().query<Record<string, unknown>>(
    `select ready, waits_for_slot, holds_slot, waiting_reason
     from analysis_jobs where id = $1`,
    [id],
  )
  return rows[0]
}
const held = { ready: false, waits_for_slot: false, holds_slot: false, waiting_reason: 'held' }
const waiting = {
  ready: false,
  waits_for_slot: true,
  holds_slot: false,
  waiting_reason: 'the analysis "one" runs at most 1 job at a time',
}
const admitted = { ready: true, waits_for_slot: false, holds_slot: true, waiting_reason: null }

/** Two jobs, of which the first has the slot. */
async function two(): Promise<readonly [string, string]> {
  const jobs = [await add(), await add()] as const
  expect(await admit()).toBe(1)
  expect(await state(jobs[0])).toEqual(admitted)
  return jobs
}

describe('a job that was admitted', () => {
  it('frees its slot when it is held, and waits again when it is let go', async () => {
    const [first, second] = await two()
    await set(first, 'ready = false')
    expect(await state(first)).toEqual(held)
    expect(await admit()).toBe(1)
    expect(await claim()).toEqual([second])
    await set(first, 'ready = true')
    expect(await state(first)).toEqual(waiting)
    expect(await admit()).toBe(0)
    await set(second, `status = 'cancelled'`)
    expect(await admit()).toBe(1)
    expect(await claim()).toEqual([first])
  })

  it('frees its slot when it is held for a reason that somebody wrote', async () => {
    const [first] = await two()
    await set(first, `ready = false, waiting_reason = 'the dump'`)
    expect(await state(first)).toEqual({ ...held, waiting_reason: 'the dump' })
    expect(await admit()).toBe(1)
  })

  it('frees its slot when it is put off, and has its turn when it is due', async () => {
    const [first, second] = await two()
    await set(first, `run_at = now() + interval '1 hour'`)
    expect(await state(first)).toEqual(waiting)
    expect(await admit()).toBe(1)
    expect(await claim()).toEqual([second])
    await set(second, `status = 'cancelled'`)
    expect(await admit()).toBe(0)
    await set(first, 'run_at = now()')
    expect(await admit()).toBe(1)
    expect(await claim()).toEqual([first])
  })

  it('keeps its slot when it is put off to a time that has come', async () => {
    const [first] = await two()
    await set(first, `run_at = now() - interval '1 hour'`)
    expect(await state(first)).toEqual(admitted)
  })

  it.each([
    'update analysis_jobs set ready = false',
    `update analysis_jobs set run_at = now() + interval '1 hour'`,
    'delete from analysis_jobs',
  ])('tells executors of the slot: %s', async (change) => {
    const [first] = await two()
    const client = await pool().connect()
    try {
      const heard: string[] = []
      client.on('notification', ({ channel }) => heard.push(channel))
      await client.query('listen kiln_slots')
      await client.query(`${change} where id = $1`, [first])
      await client.query('unlisten kiln_slots')
      expect(heard).toEqual(['kiln_slots'])
    } finally {
      client.release(true)
    }
  })
})

describe('a job that waits for a slot', () => {
  it('stays held until it is let go', async () => {
    const id = await add()
    expect(await state(id)).toEqual(waiting)
    await set(id, 'ready = false')
    expect(await state(id)).toEqual(held)
    expect(await admit()).toBe(0)
    // Nor does a new limit, or none, let it go.
    await pool().query('update analyses set max_concurrent = 5 where id = $1', [analysisId])
    expect(await admit()).toBe(0)
    await pool().query('update analyses set max_concurrent = null where id = $1', [analysisId])
    expect(await admit()).toBe(0)
    expect(await claim()).toEqual([])
    await set(id, 'ready = true')
    expect(await state(id)).toMatchObject({ ready: true, waiting_reason: null })
    expect(await claim()).toEqual([id])
  })

  it('is held by a statement that holds all pending ones', async () => {
    const [first, second] = await two()
    await pool().query(`update analysis_jobs set ready = false where status = 'pending'`)
    for (const id of [first, second]) expect(await state(id)).toEqual(held)
    expect(await admit()).toBe(0)
  })

  it('is held for a reason that somebody wrote', async () => {
    const id = await add()
    await set(id, `ready = false, waiting_reason = 'the dump'`)
    expect(await state(id)).toEqual({ ...held, waiting_reason: 'the dump' })
    expect(await admit()).toBe(0)
  })

  it('goes on waiting, in new words, when the limit changes', async () => {
    const id = await add()
    await pool().query('update analyses set max_concurrent = 2 where id = $1', [analysisId])
    expect(await state(id)).toEqual({
      ...waiting,
      waiting_reason: 'the analysis "one" runs at most 2 jobs at a time',
    })
  })
})

it('holds a run that waits for an earlier one of its schedule', async () => {
  const reason = 'an earlier run of its schedule'
  const id = await add({ ready: false, waiting_reason: reason })
  await set(id, 'ready = false')
  expect(await state(id)).toEqual(held)
})
