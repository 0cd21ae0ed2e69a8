/** Sessions that want the same rows: none is ended for it, whatever order the others take them in. */
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest'
import { createAnalysis, updateAnalysis } from '../../../src/core/analyses/index.ts'
import { databaseError, repeatOnConflict } from '../../../src/core/database/index.ts'
import { cancelFamilies, cancelJobs, drainExecutors } from '../../../src/core/jobs/index.ts'
import { deleteAnalyses } from '../../../src/core/results/index.ts'
import { type TestContext, openTestContext } from '../../support/core-context.ts'
import { declaredInspect, declaring } from '../../support/declared-inspect.ts'
import { addLastingExecutor, insertAnalysis, insertJob } from '../../support/queue.ts'
import { waitUntil } from '../../support/wait-until.ts'

let core: TestContext
beforeAll(async () => {
  core = await openTestContext()
})
afterAll(() => core.close())
beforeEach(() => pool().query('truncate projects, analysis_executors cascade'))

const pool = () => core.context.database.pool
const conflict = (code: string) => Object.assign(new Error('conflict'), { code })

/** Waits until `count` sessions of this database wait for a lock. */
const whenWaiting = (count: number) =>
  waitUntil(`${count} wait for a lock`, async () => {
    const { rows } = await pool().query(
      `select pid from pg_stat_activity
       where datname = current_database() and wait_event_type = 'Lock'`,
    )
    return rows.length >= count
  })

/** What firing does: locks the schedules of an analysis, and in the middle lets others come. */
async function fire(analysisId: string, meanwhile: () => Promise<void>): Promise<void> {
  const client = await pool().connect()
  try {
    await client.query('begin')
    await client.query('select id from analysis_schedules where analysis_id = $1 for update', [
      analysisId,
    ])
    await meanwhile()
    // Its foreign key asks for the analysis.
    await client.query(`set local lock_timeout = '20s'`)
    await client.query('insert into analysis_jobs (analysis_id) values ($1)', [analysisId])
    await client.query('commit')
  } finally {
    client.release()
  }
}

const scheduled = (title: string) =>
  declaring({ title, schedule: { cron: '0 6 * * *', timezone: 'UTC' } })

async function addScheduled(): Promise<string> {
  const input = { file: scheduled('Delays'), projectId: 'default' }
  return (await createAnalysis(core.context, input, declaredInspect)).analysis.id
}

it('lets an analysis be deleted while its schedule fires', async () => {
  const id = await addScheduled()
  let deletion: ReturnType<typeof deleteAnalyses> | undefined
  await fire(id, async () => {
    const reference = { idOrName: id }
    deletion = deleteAnalyses(core.context, [reference], { force: true })
    await whenWaiting(1)
  })
  expect(await deletion).toMatchObject([{ analysis: { id } }])
  const { rows } = await pool().query('select id from analysis_jobs')
  expect(rows).toEqual([])
})

it('lets an analysis be updated while its schedule fires', async () => {
  const id = await addScheduled()
  let update: ReturnType<typeof updateAnalysis> | undefined
  await fire(id, async () => {
    const input = { reference: { idOrName: id }, file: scheduled('Arrivals') }
    update = updateAnalysis(core.context, input, declaredInspect)
    await whenWaiting(1)
  })
  expect(await update).toMatchObject({ isNewVersion: true })
})

it('lets jobs be cancelled in any order, with their children', async () => {
  const analysisId = await insertAnalysis(pool())
  for (let round = 0; round < 20; round += 1) {
    const parents: string[] = []
    const children: string[] = []
    for (let number = 0; number < 6; number += 1) {
      const parent = await insertJob(pool(), analysisId)
      parents.push(parent)
      children.push(await insertJob(pool(), analysisId, { parent_job_id: parent }))
    }
    // Each update moves a row behind the others.
    await pool().query('update analysis_jobs set priority = 1 where id = any ($1)', [
      [...parents.slice(0, 3), ...children.slice(3)],
    ])
    const outcomes = await Promise.all([
      cancelJobs(core.context, [...children, ...parents], { reason: 'a' }),
      cancelJobs(core.context, parents.toReversed(), { reason: 'b' }),
      cancelFamilies(core.context.database.queries, parents, 'c'),
    ])
    expect(outcomes.every(Boolean)).toBe(true)
    const { rows } = await pool().query('select distinct status from analysis_jobs')
    expect(rows).toEqual([{ status: 'cancelled' }])
  }
})

it('lets executors be drained in any order', async () => {
  const executors = [await addLastingExecutor(core.context), await addLastingExecutor(core.context)]
  for (let round = 0; round < 20; round += 1) {
    await Promise.all([
      drainExecutors(core.context, executors),
      drainExecutors(core.context, executors.toReversed()),
    ])
  }
})

it.each(['40P01', '40001'])('repeats what the server ended with %s, some times', async (code) => {
  let tries = 0
  const passing = repeatOnConflict(() => {
    tries += 1
    return tries < 5 ? Promise.reject(conflict(code)) : Promise.resolve('done')
  })
  expect(await passing).toBe('done')

  tries = 0
  const lasting = repeatOnConflict(() => {
    tries += 1
    return Promise.reject(conflict(code))
  })
  await expect(lasting).rejects.toMatchObject({ code })
  expect(tries).toBe(5)
  // Whoever meets it then may try again.
  expect(databaseError(conflict(code))).toMatchObject({ code: 'LOCK_TIMEOUT', isRetryable: true })
})

it('repeats nothing else', async () => {
  let tries = 0
  const failing = repeatOnConflict(() => {
    tries += 1
    return Promise.reject(conflict('23505'))
  })
  await expect(failing).rejects.toMatchObject({ code: '23505' })
  expect(tries).toBe(1)
})
