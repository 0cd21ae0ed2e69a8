import { spawn } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { type JobCommands, openJobCommands } from '../support/job-commands.ts'
import { addExecutor } from '../support/queue.ts'
import { waitUntil } from '../support/wait-until.ts'

let jobs: JobCommands
beforeAll(async () => {
  jobs = await openJobCommands()
})
afterAll(() => jobs.close())
beforeEach(() => jobs.sql('truncate analysis_jobs, analysis_executors cascade'))

const wait = (...args: string[]) => jobs.run(['job', 'wait', ...args])
const failed = (code: string) =>
  jobs.add({ status: 'failed', error_code: code, error_message: 'it broke' })

/** A running job whose executor was a process of this machine that is gone. */
async function addLost(maxLost: number): Promise<string> {
  const child = spawn('true')
  await once(child, 'exit')
  const executor = await addExecutor(jobs.core.context, { pid: child.pid ?? 0 })
  return jobs.addRunning({ executor_id: executor, max_lost: maxLost })
}

describe('kiln job wait', () => {
  it('ends with 0 when all completed, and prints them', async () => {
    const ids = [await jobs.add({ status: 'completed' }), await jobs.add({ status: 'completed' })]
    const result = await wait(...ids, '-o', 'name')
    expect(result).toMatchObject({ exitCode: 0, stderr: '', stdout: `${ids.join('\n')}\n` })
  })

  it.each([
    ['script_error', 20],
    ['timeout', 22],
    ['memory_limit', 22],
    ['executor_lost', 23],
  ])('ends a job that failed with %s with %i', async (code, exitCode) => {
    const id = await failed(code)
    const result = await wait(id, '--json')
    expect(result).toMatchObject({ exitCode })
    expect(JSON.parse(result.stdout).items).toMatchObject([{ id, status: 'failed' }])
    expect(JSON.parse(result.stderr).error.details).toEqual({ job_id: id, error_code: code })
  })

  it('ends with the worst of many', async () => {
    const cancelled = await jobs.add({ status: 'cancelled' })
    const done = await jobs.add({ status: 'completed' })
    expect(await wait(done, cancelled)).toMatchObject({ exitCode: 21 })
    const broken = await failed('script_error')
    expect(await wait(done, broken, cancelled)).toMatchObject({ exitCode: 20 })
  })

  it('with --any ends with the first', async () => {
    const pending = await jobs.add()
    const done = await jobs.add({ status: 'completed' })
    const result = await wait(pending, done, '--any', '-o', 'name')
    expect(result).toMatchObject({ exitCode: 0, stdout: `${done}\n` })
  })

  it('ends with 23 when the executor of a job has died', async () => {
    const id = await addLost(0)
    const result = await wait(id, '--json')
    expect(result).toMatchObject({ exitCode: 23 })
    expect(JSON.parse(result.stderr).error).toMatchObject({ code: 'JOB_LOST', retryable: true })
  })

  it('goes on waiting when a dead executor left a job that runs again', async () => {
    const id = await addLost(3)
    expect(await wait(id, '--timeout', '300ms')).toMatchObject({ exitCode: 124 })
    expect(await jobs.sql('select status, lost_count from analysis_jobs')).toEqual([
      { status: 'pending', lost_count: 1 },
    ])
  })

  it('ends with 124 when the time is over, and the job goes on', async () => {
    const id = await jobs.add()
    const result = await wait(id, '--timeout', '300ms', '--json')
    expect(result).toMatchObject({ exitCode: 124, stdout: '' })
    expect(JSON.parse(result.stderr).error).toMatchObject({
      code: 'WAIT_TIMEOUT',
      retryable: true,
      details: { jobs: [{ id, status: 'pending' }] },
    })
  })

  it('ends with 66 for no such job and 64 for no id', async () => {
    expect(await wait(randomUUID())).toMatchObject({ exitCode: 66 })
    expect(await wait(await jobs.add(), 'nightly')).toMatchObject({ exitCode: 64 })
    expect(await wait()).toMatchObject({ exitCode: 64 })
  })

  it.each([
    ['SIGINT', 130],
    ['SIGTERM', 143],
  ] as const)('%s ends the wait and not the job', async (signal, exitCode) => {
    const id = await jobs.add()
    const kiln = jobs.start(['job', 'wait', id])
    await waiting()
    kiln.kill(signal)
    expect(await kiln.exited).toMatchObject({ exitCode, stdout: '' })
    expect(await jobs.sql('select status from analysis_jobs')).toEqual([{ status: 'pending' }])
  })
})

/** Resolves once a `job wait` has looked at its job. */
async function waiting(): Promise<void> {
  await waitUntil('the command waits', async () => {
    const rows = await jobs.sql(
      `select 1 from pg_stat_activity
       where application_name = 'kiln job wait' and query like '%"analysis_jobs"%'
         and datname = current_database()`,
    )
    return rows.length > 0
  })
}
