/** Commands and services where the jobs of a dead executor cannot be taken back. */
import { afterAll, beforeAll, expect, it } from 'vitest'
import { type JobCommands, openJobCommands } from '../support/job-commands.ts'
import { addExecutor, readJob } from '../support/queue.ts'

let jobs: JobCommands
let bad: string
let good: string
beforeAll(async () => {
  jobs = await openJobCommands()
  const { context } = jobs.core
  const lost = async () => {
    const executor = await addExecutor(context)
    await jobs.sql('update analysis_executors set stopped_at = now() where id = $1', [executor])
    return jobs.addRunning({ executor_id: executor })
  }
  bad = await lost()
  await jobs.sql(`
    create function refuse() returns trigger language plpgsql
      as $$ begin raise exception 'not this one'; end $$`)
  await jobs.sql(`
    create trigger refuse before update on analysis_jobs
      for each row when (old.id = '${bad}') execute function refuse()`)
  good = await lost()
  await jobs.script('one.js', 'export default () => 1')
})
afterAll(() => jobs.close())

const statusOf = async (id: string) => (await readJob(jobs.core.context.database.pool, id)).status
const warning = /^warning: cannot rescue the jobs of executor .*: not this one$/m

it.each([
  ['job list --json', 'list'],
  ['project list', 'project'],
  ['job stats --json', 'stats'],
])('are warned and go on: %s', async (command) => {
  const { exitCode, stderr, stdout } = await jobs.run(command.split(' '))
  expect({ exitCode, stderr }).toMatchObject({
    exitCode: 0,
    stderr: expect.stringMatching(warning),
  })
  expect(stdout).not.toBe('')
  expect(await statusOf(bad)).toBe('running')
  expect(await statusOf(good)).toBe('pending')
})

it('run an analysis all the same', async () => {
  const { exitCode, stdout, stderr } = await jobs.run(['analysis', 'run', 'one.js'])
  expect({ exitCode, stdout: stdout.trim() }).toEqual({ exitCode: 0, stdout: '1' })
  expect(stderr).toMatch(warning)
})

it('wait for a job all the same', async () => {
  const ended = await jobs.add({ status: 'completed', completed_at: 'now' })
  const { exitCode, stderr } = await jobs.run(['job', 'wait', ended])
  expect(exitCode).toBe(0)
  // Once, however often it looks.
  expect(stderr.match(/cannot rescue/g)).toHaveLength(1)
})

it('start and work as a service all the same', async () => {
  const { exitCode, stderr } = await jobs.run(['serve-scheduler', '--once', '--no-http', '--json'])
  expect(exitCode).toBe(0)
  expect(stderr).toContain('cannot rescue the jobs of executor')
  expect(await statusOf(good)).toBe('completed')
})
