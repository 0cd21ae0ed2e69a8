/** Sessions that want the same rows: none is ended for it, whatever order the others take them in. */
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest'
import { createAnalysis, updateAnalysis } from '../../../src/core/analyses/index.ts'
import { databaseError, repeatOnConflict } from '../../../src/core/database/index.ts'
import { cancelFamilies, cancelJobs, drainExecutors } from '../../../src/core/jobs/index.ts'
import { deleteAnalyses } from '../../../src/core/results/index.ts'
import { triggerSchedule } from '../../../src/core/schedules/index.ts'
import { type TestContext, openTestContext } from '../../support/core-context.ts'
import { declaredInspect, declaring } from '../../support/declared-inspect.ts'
import { addLastingExecutor, insertAnalysis, insertJob } from '../../support/queue.ts'
import { waitUntil } from '../../support/wait-until.ts'

let core: TestContext
beforeAll(async () => {
  core = await openTestContext()
})
afterAll(() => core.close())
beforeEach(() => pool().query('truncate projects, analysis_executors, analysis_audit_log cascade'))

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
  let failure: Error | undefined
  try {
    await client.query('begin')
    const { rows } = await client.query<{ id: string }>(
      `select id from analysis_schedules where analysis_id = $1 for no key update skip locked`,
      [analysisId],
    )
    await meanwhile()
    // Its foreign keys ask for the analysis and the schedule.
    await client.query('insert into analysis_jobs (analysis_id, schedule_id) values ($1, $2)', [
      analysisId,
      rows[0]?.id,
    ])
    await client.query('commit')
  } catch (error) {
    failure = error as Error
    throw error
  } finally {
    client.release(failure)
  }
}

const auditsOf = async (action: string) => {
  const { rows } = await pool().query<{ id: string; count: number }>(
    `select target_id as id, count(*)::integer as count
     from analysis_audit_log
     where action = $1
     group by target_id`,
    [action],
  )
  return rows
}

const scheduled = (title: string) =>
  declaring({ title, schedule: { cron: '0 6 * * *', timezone: 'UTC' } })

async function addScheduled(): Promise<string> {
  const input = { file: scheduled('Delays'), projectId: 'default' }
  return (await createAnalysis(core.context, input, declaredInspect)).analysis.id
}

it('lets an analysis be deleted while its schedule fires', async () => {
  const id = await addScheduled()
  let deletion: ReturnType<typeof deleteAnalyses> = Promise.resolve([])
  const firing = fire(id, async () => {
    const reference = { idOrName: id }
    deletion = deleteAnalyses(core.context, [reference], { force: true })
    await whenWaiting(1)
  })
  await Promise.all([firing, firing.then(() => deletion)])
  expect(await deletion).toMatchObject([{ analysis: { id } }])
  const { rows } = await pool().query('select id from analysis_jobs')
  expect(rows).toEqual([])
})

it('lets an analysis be updated while its schedule fires', async () => {
  const id = await addScheduled()
  const update = (title: string) =>
    updateAnalysis(
      core.context,
      { reference: { idOrName: id }, file: scheduled(title) },
      declaredInspect,
    )
  const updates: ReturnType<typeof updateAnalysis>[] = []
  await fire(id, async () => {
    updates.push(update('Arrivals'))
    await whenWaiting(1)
  })
  expect(await Promise.all(updates)).toMatchObject([{ isNewVersion: true }])
})

it('lets a schedule be triggered and backfilled while its analysis is updated', async () => {
  const id = await addScheduled()
  const { rows } = await pool().query<{ id: string }>('select id from analysis_schedules')
  const reference = { reference: rows[0]?.id ?? '' }
  const trigger = async () => {
    for (let round = 0; round < 25; round += 1) await triggerSchedule(core.context, reference)
  }
  const update = async () => {
    for (let round = 0; round < 25; round += 1) {
      const input = { reference: { idOrName: id }, file: scheduled(`Delays ${round}`) }
      await updateAnalysis(core.context, input, declaredInspect)
    }
  }
  await Promise.all([trigger(), trigger(), update()])
  expect(await auditsOf('schedule.trigger')).toMatchObject([{ count: 50 }])
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
    const [all, some, others] = await Promise.all([
      cancelJobs(core.context, [...children, ...parents], { reason: 'a' }),
      cancelJobs(core.context, parents.toReversed(), { reason: 'b' }),
      cancelFamilies(core.context.database.queries, parents, 'c'),
    ])
    const told = [...all, ...some].filter(({ outcome }) => outcome === 'cancelled')
    const cancelled = [...told.map(({ id }) => id), ...others]
    // Each parent was cancelled by one of them, which alone says so; a child that `some` took is told of
    // by nobody, since nobody named it there.
    expect(parents.filter((id) => cancelled.filter((one) => one === id).length !== 1)).toEqual([])
    expect(new Set(cancelled).size).toBe(cancelled.length)
    const { rows } = await pool().query('select distinct status from analysis_jobs')
    expect(rows).toEqual([{ status: 'cancelled' }])
  }
  expect((await auditsOf('job.cancel')).filter(({ count }) => count !== 1)).toEqual([])
})

it('lets an analysis be deleted while its jobs are cancelled', async () => {
  for (let round = 0; round < 10; round += 1) {
    const id = await addScheduled()
    const { rows } = await pool().query<{ id: string }>(
      `update analysis_schedules set overlap_policy = 'queue' where analysis_id = $1 returning id`,
      [id],
    )
    const jobIds: string[] = []
    for (let number = 0; number < 4; number += 1) {
      jobIds.push(await insertJob(pool(), id, { schedule_id: rows[0]?.id }))
    }
    await Promise.all([
      deleteAnalyses(core.context, [{ idOrName: id }], { force: true }),
      cancelJobs(core.context, jobIds, { reason: 'a' }),
      pool().query(`update analysis_jobs set status = 'cancelled' where id = any ($1)`, [jobIds]),
    ])
    expect((await pool().query('select id from analysis_jobs')).rows).toEqual([])
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
  expect((await auditsOf('executor.drain')).map(({ count }) => count)).toEqual([1, 1])
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
