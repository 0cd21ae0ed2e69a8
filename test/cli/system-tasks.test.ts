/** Tasks of Kiln itself with their real work, fired by real services. */
import { randomUUID } from 'node:crypto'
import { existsSync } from 'node:fs'
import { readdir, stat, truncate } from 'node:fs/promises'
import path from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { insertEnded, putFile } from '../support/cleanup.ts'
import { type JobCommands, openJobCommands } from '../support/job-commands.ts'
import type { RunningKiln } from '../support/kiln.ts'
import { parseMetrics } from '../support/parse-metrics.ts'
import { type TemporaryFolder, createTemporaryFolder } from '../support/temporary-folder.ts'
import { waitUntil } from '../support/wait-until.ts'

/** They are fired by setting their next run, as an operator may. */
const never = '0 0 1 1 *'
const services: RunningKiln[] = []
let commands: JobCommands
let otherFolder: TemporaryFolder
let repository: string
let url: string

beforeAll(async () => {
  commands = await openJobCommands()
  otherFolder = await createTemporaryFolder('tasks')
  repository = path.join(commands.core.folder.path, 'backups')
  const all = {
    BACKUP_SCHEDULE: never,
    BACKUP_VERIFY_SCHEDULE: never,
    BACKUP_PRUNE_SCHEDULE: never,
    CLEANUP_SCHEDULE: never,
    AGGREGATION_SCHEDULE: never,
    VIEW_REFRESH_SCHEDULE: never,
  }
  const other = { CLEANUP_SCHEDULE: never, ANALYSIS_DATA_DIR: otherFolder.path }
  for (const rules of [all, all, other]) {
    const env = { BACKUP_REPOSITORY: repository, ...rules }
    services.push(commands.start(['serve-scheduler', '--no-executor', '--port', '0'], { env }))
  }
  const started = services.map((one) => one.waitForOutput(/http:\/\/[\d.]+:\d+/))
  url = (await Promise.all(started))[0]?.[0] ?? ''
  // They listen before they declare their tasks: one of each, and the cleanup of the other folder.
  await waitUntil('all tasks have their schedules', async () => {
    const planned = await commands.sql(
      `select
       from analysis_tasks task
       join analysis_schedules schedule on schedule.id = task.schedule_id
       where next_run_at is not null
         and attended_at is not null`,
    )
    return planned.length === Object.keys(all).length + 1
  })
})
afterAll(async () => {
  await commands.close()
  await otherFolder.remove()
})

interface Run {
  readonly status: string
  readonly details: Readonly<Record<string, unknown>>
  readonly error_code: string | null
}

/** Makes a task due and returns its new runs, one for each of its schedules. */
async function fire(task: string, schedules = 1): Promise<Run[]> {
  const runs = () =>
    commands.sql(
      `select run.*
       from analysis_task_runs run
       join analysis_tasks task on task.schedule_id = run.schedule_id
       where task.task = $1
       order by run.created_at desc`,
      [task],
    )
  const before = (await runs()).length
  // A service may answer before it has entered its schedules.
  await waitUntil(`${task} has its schedules`, async () => {
    const known = await commands.sql('select from analysis_tasks where task = $1', [task])
    return known.length >= schedules
  })
  await commands.sql(
    `update analysis_schedules set next_run_at = now()
     where id in (select schedule_id from analysis_tasks where task = $1)`,
    [task],
  )
  const ended = await waitUntil(`${task} has run`, async () => {
    const all = (await runs()).slice(0, -before || undefined)
    const isOver = all.every(({ status }) => ['completed', 'failed'].includes(String(status)))
    return all.length >= schedules && isOver ? all : undefined
  })
  expect(ended).toHaveLength(schedules)
  return ended as unknown as Run[]
}

const json = async (...args: readonly string[]) => {
  const { stdout } = await commands.run([...args, '--json'])
  return JSON.parse(stdout) as Record<string, unknown>
}
const sets = async () =>
  (await json('backup', 'list', '--repo', repository)).items as Record<string, unknown>[]
const metric = async (name: string): Promise<Record<string, number>> => {
  const response = await fetch(`${url}/metrics`).catch((error: unknown) => {
    const printed = services.map(({ stderr }) => stderr).join('\n')
    throw new Error(`the first service does not answer; they printed:\n${printed}`, {
      cause: error,
    })
  })
  return Object.fromEntries(parseMetrics(await response.text()).get(name)?.samples ?? [])
}
/** How many services have begun a task. */
const starts = (task: string): number =>
  services.map(({ stderr }) => stderr.split(`task ${task} started`).length - 1).reduce(sum, 0)
const sum = (a: number, b: number): number => a + b

it('do their work once, however many services take part', async () => {
  const { context } = commands.core
  await insertEnded(context, commands.analysisId, 3, { execution_time_ms: 120 })
  const old = await insertEnded(context, commands.analysisId, 400)
  await commands.sql('create table visits as select 1 as n')
  await commands.sql('create materialized view visits_now as select n from visits')
  await commands.sql('update visits set n = 2')

  // The old job makes days of figures: for each day since.
  expect(await fire('statistics')).toMatchObject([{ status: 'completed', details: { rows: 2 } }])
  expect(await fire('refresh')).toMatchObject([{ details: { refreshed: ['visits_now'] } }])
  expect(await commands.sql('select n from visits_now')).toEqual([{ n: 2 }])

  const [backup] = await fire('backup')
  expect(backup).toMatchObject({ status: 'completed', error_code: null })
  expect(await sets()).toMatchObject([
    { id: backup?.details.set, kind: 'scheduled', status: 'complete' },
  ])
  expect(await fire('verify')).toMatchObject([
    { status: 'completed', details: { set: backup?.details.set } },
  ])
  expect((await sets())[0]?.verified_at).toEqual(expect.any(String))
  expect(await fire('prune')).toMatchObject([
    { status: 'completed', details: { kept: 1, removed: [] } },
  ])

  const halfWritten = `results/x.${randomUUID()}.tmp`
  const left = await Promise.all(
    [context.settings.dataDir, otherFolder.path].map((folder) =>
      putFile(folder, halfWritten, { days: 2 }),
    ),
  )
  const cleaned = await fire('cleanup', 2)
  expect(cleaned.map(({ details }) => (details.removed as Record<string, number>).tmp)).toEqual([
    1, 1,
  ])
  expect(left.filter((file) => existsSync(file))).toEqual([])
  expect(await commands.sql('select from analysis_jobs where id = $1', [old])).toEqual([])

  const tasks = ['backup', 'verify', 'prune', 'statistics', 'refresh']
  expect(tasks.map(starts)).toEqual([1, 1, 1, 1, 1])
  expect(starts('cleanup')).toBe(2)
  const name = 'analysis_task_last_success_timestamp_seconds'
  const success = await waitUntil('all are in /metrics', async () => {
    const seen = await metric(name)
    return Object.keys(seen).length === 6 ? seen : undefined
  })
  for (const task of [...tasks, 'cleanup']) {
    expect(success[`${name}{task="${task}"}`]).toBeGreaterThan(Date.now() / 1000 - 3600)
  }
})

it('tell of a failure everywhere, and the next run works', async () => {
  const set = String((await sets())[0]?.id)
  const damaged = await largestFile(path.join(repository, 'backups', set))
  await truncate(damaged, 1)

  expect(await fire('verify')).toMatchObject([{ status: 'failed', error_code: 'BACKUP_DAMAGED' }])
  const history = (await json('schedule', 'history', 'system:verify')).items
  expect(history).toMatchObject([
    { decision: 'fired', task_status: 'failed', error: expect.stringContaining('damaged') },
    { decision: 'fired', task_status: 'completed', error: null },
  ])
  expect(await json('schedule', 'show', 'system:verify')).toMatchObject({
    completed_runs: 1,
    failed_runs: 1,
  })
  expect(services.map(({ stderr }) => stderr).join('\n')).toMatch(/task verify failed: .*damaged/)
  const doctor = await commands.run(['doctor', '--only', 'schedules.tasks'])
  expect(doctor.exitCode).toBe(1)
  expect(doctor.stdout).toContain('failed: verify')

  await fire('backup')
  expect(await fire('verify')).toMatchObject([{ status: 'completed' }])
  expect((await commands.run(['doctor', '--only', 'schedules.tasks'])).exitCode).toBe(0)
  const name = 'analysis_task_runs_total'
  await waitUntil('it is in /metrics', async () => {
    return (await metric(name))[`${name}{task="verify",outcome="failed"}`] === 1
  })
})

async function largestFile(folder: string): Promise<string> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true })
  const files = await Promise.all(
    entries
      .filter((entry) => entry.isFile() && entry.name !== 'manifest.json')
      .map(async ({ parentPath, name }) => {
        const file = path.join(parentPath, name)
        return { file, size: (await stat(file)).size }
      }),
  )
  return files.toSorted((a, b) => b.size - a.size)[0]?.file ?? ''
}
