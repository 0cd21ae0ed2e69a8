/** The migration that refuses job rows without a meaning, on a database that has some. */
import { afterEach, beforeEach, expect, test } from 'vitest'
import { migrateDown, migrateUp } from '../../../src/core/migrate/index.ts'
import { type Fixture, createFixture } from './fixture.ts'

let fixture: Fixture
beforeEach(async () => {
  fixture = await createFixture({ migrated: true })
  await migrateDown(fixture.context, { to: '0010' })
})
afterEach(() => fixture.remove())

const read = async (sql: string) => fixture.rows(sql)
const insert = (columns: string, values: string) =>
  fixture.rows(
    `insert into analysis_jobs (analysis_id, ${columns}) select id, ${values} from analyses`,
  )

beforeEach(() =>
  fixture.rows(`insert into analyses (title, script_content, project_id) values ('a', '', 'p')`),
)

test('repairs rows that it would refuse, also of jobs that have ended', async () => {
  await insert('attempt, lost_count, handed_back_count', '2147483647, -5, 2147483647')
  await insert(`created_at, run_at, scheduled_for`, `'infinity', '-infinity', 'infinity'`)
  await insert(`run_at`, `'290000-01-01'`)
  await insert(`status, started_at`, `'running', '-infinity'`)
  await insert(`status, started_at, completed_at`, `'completed', 'infinity', 'infinity'`)
  await fixture.rows('update analysis_jobs set parent_job_id = id where attempt > 0')
  await fixture.rows(`
    insert into analysis_executors (id, label, kind, host, pid, beat_at, process_identity)
    values (gen_random_uuid(), 'x', 'service', 'x', 1, 'infinity', 'null')`)
  await migrateUp(fixture.context)
  expect(
    await read(`
      select status, attempt, lost_count, handed_back_count, isfinite(created_at) as is_created,
        run_at <= now() as is_due, run_at = 'infinity' as is_never, started_at, scheduled_for,
        isfinite(completed_at) as is_ended, parent_job_id
      from analysis_jobs
      order by attempt desc, scheduled_for, status desc, run_at`),
  ).toMatchObject([
    { attempt: 1e9, lost_count: 0, handed_back_count: 1e9, parent_job_id: null },
    { status: 'running', started_at: null },
    { status: 'pending', is_created: true, is_due: true, scheduled_for: null },
    { status: 'pending', is_never: true },
    { status: 'completed', started_at: null, is_ended: true },
  ])
  expect(
    await read('select isfinite(beat_at) as t, process_identity as p from analysis_executors'),
  ).toEqual([{ t: true, p: {} }])
})

test('gives running jobs that nobody runs a lease, by which they are found', async () => {
  await insert('status', `'running'`)
  await fixture.rows('delete from analysis_leases')
  await insert('status', `'running'`)
  await migrateUp(fixture.context)
  expect(
    await read(`select count(*)::integer as leased from analysis_jobs
      where id in (select unnest(job_ids) from analysis_leases where executor_id is null)`),
  ).toEqual([{ leased: 2 }])
})

test('takes back the number of attempts that nobody asked for, and keeps those that were', async () => {
  await insert('max_attempts', '1')
  await insert('max_attempts', '5')
  await insert('status, max_attempts', `'failed', 1`)
  await migrateUp(fixture.context)
  expect(await read('select max_attempts as n from analysis_jobs order by 1')).toEqual([
    { n: 5 },
    { n: null },
    { n: null },
  ])
  await migrateDown(fixture.context, { to: '0010' })
  expect(await read('select max_attempts as n from analysis_jobs order by 1')).toEqual([
    { n: 1 },
    { n: 1 },
    { n: 5 },
  ])
})
