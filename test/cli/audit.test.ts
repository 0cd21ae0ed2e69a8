import { afterAll, beforeAll, expect, it } from 'vitest'
import { type JobCommands, openJobCommands } from '../support/job-commands.ts'

let jobs: JobCommands
beforeAll(async () => {
  jobs = await openJobCommands()
  await jobs.sql('truncate analysis_audit_log, analysis_audit_head restart identity')
  for (let count = 0; count < 3; count += 1) {
    const id = await jobs.add()
    await jobs.sql('select pg_sleep(0)')
    await jobs.run(['job', 'cancel', id, '--reason', `reason ${count}`, '-q'])
  }
  await jobs.run(['project', 'set', 'default', '--max-concurrent', '3', '-q'])
})
afterAll(() => jobs.close())

interface Page {
  readonly items: Readonly<Record<string, unknown>>[]
  readonly next_cursor: string | null
}
const list = async (...args: readonly string[]) =>
  JSON.parse((await jobs.run(['audit', 'list', '--json', ...args])).stdout) as Page

it('lists who changed what, newest first, page by page', async () => {
  const first = await list('--limit', '1')
  expect(first.items).toMatchObject([
    { action: 'project.set', target_id: 'default', source: 'cli', sealed: false },
  ])
  const second = await list('--limit', '10', '--cursor', first.next_cursor ?? '')
  expect(second.items.map(({ details }) => details)).toEqual([
    { reason: 'reason 2' },
    { reason: 'reason 1' },
    { reason: 'reason 0' },
  ])
  expect(second.next_cursor).toBeNull()
})

it('filters by action, noun, target, actor and time', async () => {
  expect((await list('--action', 'job')).items).toHaveLength(3)
  expect((await list('--action', 'job.cancel')).items).toHaveLength(3)
  expect((await list('--action', 'jo')).items).toHaveLength(0)
  expect((await list('--target', 'default')).items).toHaveLength(1)
  expect((await list('--actor', 'nobody-at-all')).items).toHaveLength(0)
  expect((await list('--since', '1h')).items).toHaveLength(4)
  expect((await list('--until', '1h')).items).toHaveLength(0)
})

it('verifies, seals, and ends with 1 when a row is not what it was', async () => {
  const before = await jobs.run(['audit', 'verify', '--json'])
  expect(before.exitCode).toBe(0)
  expect(JSON.parse(before.stdout)).toMatchObject({
    status: 'ok',
    sealed: 0,
    unsealed: 4,
    last_hash: null,
  })
  const sealed = await jobs.run(['audit', 'verify', '--seal', '--json'])
  const end = JSON.parse(sealed.stdout) as Record<string, unknown>
  const [last, one] = (await list('--limit', '2')).items
  expect(end).toMatchObject({ sealed: 4, unsealed: 0, last_id: last?.id, last_hash: last?.hash })
  expect(last).toMatchObject({ sealed: true, previous_hash: one?.hash })

  const seal = `${String(end.last_id)}:${String(end.last_hash)}`
  const expected = await jobs.run(['audit', 'verify', '--expect', seal])
  expect(expected).toMatchObject({ exitCode: 0, stdout: expect.stringContaining(seal) })
  const other = `${String(end.last_id)}:${'0'.repeat(64)}`
  const replaced = await jobs.run(['audit', 'verify', '--expect', other])
  expect(replaced).toMatchObject({ exitCode: 1, stdout: expect.stringMatching(/replaced +row 4/) })

  await jobs.sql(`update analysis_audit_log set actor = 'mallory' where id = 2`)
  const broken = await jobs.run(['audit', 'verify'])
  expect(broken.exitCode).toBe(1)
  expect(broken.stdout).toMatch(/status +broken/)
  expect(broken.stdout).toMatch(/changed +row 2 is not what was sealed/)
})

it('refuses a cursor that no page gave', async () => {
  expect((await jobs.run(['audit', 'list', '--cursor', 'x'])).exitCode).toBe(64)
})

it('refuses to expect what is no seal', async () => {
  expect(await jobs.run(['audit', 'verify', '--expect', '4'])).toMatchObject({
    exitCode: 64,
    stderr: expect.stringContaining('last_id and last_hash'),
  })
})
