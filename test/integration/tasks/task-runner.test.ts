import { afterAll, afterEach, beforeAll, expect, it } from 'vitest'
import type { Context } from '../../../src/core/context.ts'
import { KilnError } from '../../../src/core/errors/index.ts'
import { ScheduleLoop } from '../../../src/core/scheduler/schedule-loop.ts'
import {
  disableSchedule,
  fireDueSchedules,
  getSchedule,
  listOccurrences,
  listTaskRuns,
  triggerSchedule,
} from '../../../src/core/schedules/index.ts'
import { type SystemTask, TaskRunner } from '../../../src/core/tasks/index.ts'
import { type TestContext, openTestContext } from '../../support/core-context.ts'
import { createTemporaryFolder } from '../../support/temporary-folder.ts'
import { waitUntil } from '../../support/wait-until.ts'

let core: TestContext
beforeAll(async () => {
  core = await openTestContext()
})
afterAll(() => core.close())

const running: { stop(): Promise<void> }[] = []
afterEach(async () => {
  await Promise.all(running.splice(0).map((one) => one.stop()))
  await pool().query('delete from analysis_schedules')
})

const pool = () => core.context.database.pool
const never = '0 0 1 1 *'

type Work = (context: Context) => Promise<Readonly<Record<string, unknown>>>
const done: Work = () => Promise.resolve({ rows: 3 })

interface Instance {
  readonly work?: Work
  readonly cron?: string
  readonly timezone?: string
  readonly scope?: SystemTask['scope']
  readonly dataDir?: string
}

/** A service of which only its tasks matter: one task, `probe`. */
async function startInstance(instance: Instance = {}): Promise<TaskRunner> {
  const { work = done, cron = never, scope = 'rows' } = instance
  const { settings } = core.context
  const runner = new TaskRunner(
    {
      ...core.context,
      settings: {
        ...settings,
        aggregationSchedule: cron,
        scheduleTimezone: instance.timezone ?? 'UTC',
        dataDir: instance.dataDir ?? settings.dataDir,
      },
    },
    [{ name: 'probe', setting: 'aggregationSchedule', scope, run: work }],
  )
  await runner.declare()
  const loop = new ScheduleLoop(core.context, runner, core.context.log)
  running.push(loop, runner)
  loop.start()
  runner.start()
  return runner
}

const probe = () => getSchedule(core.context, { reference: 'system:probe' })
const runs = async () => listTaskRuns(core.context, await probe(), 100)
const trigger = () => triggerSchedule(core.context, { reference: 'system:probe' })
const ended = (status: string) =>
  waitUntil(`a run is ${status}`, async () => (await runs()).find((run) => run.status === status))

it('runs each occurrence once however many services take part, and says so', async () => {
  let active = 0
  let most = 0
  const work: Work = async () => {
    active += 1
    most = Math.max(most, active)
    await new Promise((resolve) => setTimeout(resolve, 50))
    active -= 1
    return { rows: 3 }
  }
  for (let count = 0; count < 3; count += 1) await startInstance({ work, cron: '* * * * * *' })
  await waitUntil('three ran', async () => {
    const all = await runs()
    return all.filter(({ status }) => status === 'completed').length >= 3
  })
  expect(most).toBe(1)
  const all = await runs()
  expect(new Set(all.map(({ scheduledFor }) => scheduledFor)).size).toBe(all.length)
  const schedule = await probe()
  expect(schedule).toMatchObject({ origin: 'system', task: 'probe', failedRuns: 0 })
  const { occurrences } = await listOccurrences(core.context, {
    scheduleId: schedule.id,
    onlyMissed: false,
    limit: 100,
  })
  expect(occurrences.at(-1)).toMatchObject({
    task: 'probe',
    decision: 'fired',
    taskStatus: 'completed',
    durationMs: expect.any(Number),
    jobId: all.at(-1)?.id,
  })
  expect(all.at(-1)).toMatchObject({ attempt: 1, details: { rows: 3 } })
})

it('skips an occurrence while the run before it goes on', async () => {
  let finish = (): void => undefined
  const work: Work = () => new Promise((resolve) => (finish = () => resolve({})))
  await startInstance({ work, cron: '* * * * * *' })
  const skipped = await waitUntil('one is skipped', async () => {
    const { occurrences } = await listOccurrences(core.context, {
      scheduleId: (await probe()).id,
      onlyMissed: true,
      limit: 10,
    })
    return occurrences[0]
  })
  expect(skipped).toMatchObject({ decision: 'skipped', reason: 'the run before it has not ended' })
  finish()
  await ended('completed')
})

it('keeps what an operator switched off until the setting changes its rule', async () => {
  await startInstance()
  await disableSchedule(core.context, { reference: 'system:probe' }, { reason: 'disk is full' })
  await startInstance()
  expect(await probe()).toMatchObject({ enabled: false, cronExpression: never, revision: 1 })
  await startInstance({ cron: '0 3 * * *', timezone: 'Europe/Berlin' })
  expect(await probe()).toMatchObject({
    enabled: false,
    cronExpression: '0 3 * * *',
    timezone: 'Europe/Berlin',
    revision: 2,
  })
})

it('leaves a schedule alone that it takes no part in', async () => {
  await startInstance()
  await pool().query(`update analysis_schedules set next_run_at = now() - interval '1 second'`)
  expect(await fireDueSchedules(core.context)).toMatchObject({ schedules: 0 })
  await ended('completed')
})

it('works on files once for each data folder', async () => {
  const folder = await createTemporaryFolder('tasks')
  const other = { scope: 'files', dataDir: folder.path } as const
  const worked: string[] = []
  const work: Work = ({ settings }) => {
    worked.push(settings.dataDir)
    return Promise.resolve({})
  }
  const [one, two] = [
    await startInstance({ scope: 'files', work }),
    await startInstance({ ...other, work }),
  ]
  await startInstance({ ...other, work })
  expect(one.scheduleIds).not.toEqual(two.scheduleIds)
  await expect(probe()).rejects.toMatchObject({ code: 'SCHEDULE_AMBIGUOUS' })
  await pool().query('update analysis_schedules set next_run_at = now()')
  await waitUntil('both ran', () => worked.length >= 2)
  expect(worked.toSorted()).toEqual([core.context.settings.dataDir, folder.path].toSorted())
  await folder.remove()
})

it('runs a task on demand, one at a time, and not without a service', async () => {
  let finish = (): void => undefined
  await startInstance({ work: () => new Promise((resolve) => (finish = () => resolve({}))) })
  const { id } = await trigger()
  expect(await ended('running')).toMatchObject({ id, scheduledFor: null })
  await expect(trigger()).rejects.toMatchObject({ code: 'TASK_ACTIVE' })
  finish()
  await ended('completed')
  await pool().query(`update analysis_tasks set attended_at = now() - interval '1 hour'`)
  await expect(trigger()).rejects.toMatchObject({ code: 'TASK_UNATTENDED' })
})

it('keeps why a task failed, and tries again what may pass', async () => {
  let isBusy = true
  const work: Work = () =>
    Promise.reject(
      isBusy
        ? new KilnError('LOCK_TIMEOUT', 'a backup holds the lock')
        : new KilnError('PARTIAL', '1 of 2 failed', { details: { failed: ['x'] } }),
    )
  const runner = await startInstance({ work })
  await trigger()
  await waitUntil('it waits for its second attempt', async () => {
    const [run] = await runs()
    return run?.status === 'pending' && run.attempt === 1 && run.errorCode === 'LOCK_TIMEOUT'
  })
  isBusy = false
  await pool().query('update analysis_task_runs set run_after = now()')
  runner.wake()
  expect(await ended('failed')).toMatchObject({
    attempt: 2,
    errorCode: 'PARTIAL',
    errorMessage: '1 of 2 failed',
    details: { failed: ['x'] },
  })
  expect(await probe()).toMatchObject({ failedRuns: 1, completedRuns: 0, lastSuccessAt: null })
})

it('hands a run over when its service stops, and when its lock is lost', async () => {
  const starts: string[] = []
  const interruptible =
    (name: string): Work =>
    ({ signal }) => {
      starts.push(name)
      return new Promise((_resolve, reject) =>
        signal.addEventListener('abort', () => reject(signal.reason as Error)),
      )
    }
  const first = await startInstance({ work: interruptible('first') })
  await trigger()
  await waitUntil('the first runs it', () => starts.length === 1)
  await first.stop()
  expect(await runs()).toMatchObject([{ status: 'pending', attempt: 0 }])

  const second = await startInstance({ work: interruptible('second') })
  await waitUntil('the second runs it', () => starts.length === 2)
  await pool().query(
    `select pg_terminate_backend(pid) from pg_stat_activity
     where application_name = 'kiln task lock' and datname = current_database()`,
  )
  await waitUntil('it waits', async () => (await runs())[0]?.status === 'pending')
  await second.stop()
  await pool().query('update analysis_task_runs set run_after = now()')
  await startInstance()
  expect(await ended('completed')).toMatchObject({ attempt: 2 })
})

it('runs again what a service left that died, but not for ever', async () => {
  const starts: number[] = []
  const runner = await startInstance({
    work: () => {
      starts.push(1)
      return Promise.resolve({})
    },
  })
  const left = (attempt: number) =>
    pool().query(
      `insert into analysis_task_runs (schedule_id, status, attempt, started_at)
       select schedule_id, 'running', $1, now() - interval '1 hour' from analysis_tasks`,
      [attempt],
    )
  await left(1)
  runner.wake()
  expect(await ended('completed')).toMatchObject({ attempt: 2 })
  await left(3)
  runner.wake()
  expect(await ended('failed')).toMatchObject({ errorCode: 'TASK_LOST' })
  expect(starts).toHaveLength(1)
})

it('refuses a rule that cannot be followed, naming the setting', async () => {
  await expect(startInstance({ cron: '61 * * * *' })).rejects.toMatchObject({
    code: 'SETTING_INVALID',
    message: expect.stringContaining('AGGREGATION_SCHEDULE'),
  })
  await expect(startInstance({ timezone: 'Mars/Base' })).rejects.toMatchObject({
    message: expect.stringContaining('SCHEDULE_TIMEZONE'),
  })
})

it('makes a schedule anew that was deleted', async () => {
  const runner = await startInstance()
  await pool().query('delete from analysis_schedules')
  runner.wake()
  await waitUntil('it is there', () => probe().catch(() => undefined))
})
