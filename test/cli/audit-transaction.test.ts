/**
 * No change of an operator without its row in the audit log, and no row without the change: where one of
 * the two cannot be written, the other is not.
 */
import { writeFile } from 'node:fs/promises'
import path from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { type JobCommands, openJobCommands } from '../support/job-commands.ts'

/** Each command, what it leaves in the log when it may, and of which states that has a hash. */
const lines = [
  ['analysis create new.js --name new', 'analysis.create', 'after'],
  ['analysis update known new.js', 'analysis.update', 'both'],
  ['analysis restore known 1', 'analysis.restore', 'both'],
  ['analysis disable known', 'analysis.disable', 'both'],
  ['analysis enable known', 'analysis.enable', 'both'],
  ['schedule set known --cron @hourly', 'schedule.set', 'after'],
  ['schedule trigger known', 'schedule.trigger', 'both'],
  ['schedule backfill known --from 2h', 'schedule.backfill', 'both'],
  ['schedule disable known', 'schedule.disable', 'both'],
  ['schedule enable known', 'schedule.enable', 'both'],
  ['schedule delete known', 'schedule.delete', 'before'],
  ['job retry FAILED', 'job.retry', 'both'],
  ['job cancel PENDING', 'job.cancel', 'both'],
  ['datasource add rows --type file --path rows.csv --project default', 'datasource.add', 'after'],
  ['datasource remove rows --project default', 'datasource.remove', 'before'],
  ['project set default --max-concurrent 2', 'project.set', 'both'],
  ['analysis delete known --yes', 'analysis.delete', 'before'],
] as const

const tables = [
  'analyses',
  'analysis_versions',
  'analysis_jobs',
  'analysis_schedules',
  'analysis_schedule_occurrences',
  'analysis_datasources',
  'projects',
]

let jobs: JobCommands
const ids: Record<string, string> = {}
beforeAll(async () => {
  jobs = await openJobCommands()
  await jobs.script('old.js', 'export default () => 1')
  await jobs.script('new.js', 'export default () => 2')
  await writeFile(path.join(jobs.core.folder.path, 'rows.csv'), 'a\n1\n')
  await jobs.run(['analysis', 'create', 'old.js', '--name', 'known'])
  ids.FAILED = await jobs.add({ status: 'failed' })
  ids.PENDING = await jobs.add()
  await jobs.sql(
    `create function refuse() returns trigger language plpgsql
       as $$ begin raise exception 'the log is full'; end $$`,
  )
})
afterAll(() => jobs.close())

const state = async () => {
  const sums = tables.map(
    (table) =>
      `(select md5(coalesce(string_agg(t::text, '|' order by t::text), '')) from ${table} t) as ${table}`,
  )
  return (await jobs.sql(`select ${sums.join(', ')}`))[0]
}

it.each(lines)('kiln %s', async (line, action, states) => {
  const words = line.split(' ').map((word) => ids[word] ?? word)
  await jobs.sql(
    `create trigger refuse before insert on analysis_audit_log for each row execute function refuse()`,
  )
  const before = await state()
  const refused = await jobs.run(words)
  await jobs.sql('drop trigger refuse on analysis_audit_log')
  expect(refused.exitCode, refused.stderr).not.toBe(0)
  expect(refused.stderr).toContain('the log is full')
  expect(await state()).toEqual(before)

  await jobs.sql('delete from analysis_audit_log')
  for (const table of tables) {
    await jobs.sql(
      `create constraint trigger refuse after insert or update or delete on ${table}
         deferrable initially deferred for each row execute function refuse()`,
    )
  }
  const late = await jobs.run(words)
  for (const table of tables) await jobs.sql(`drop trigger refuse on ${table}`)
  expect(late.exitCode, late.stderr).not.toBe(0)
  expect(await state()).toEqual(before)
  expect(await jobs.sql('select action from analysis_audit_log')).toEqual([])

  const done = await jobs.run(words)
  expect(done.exitCode, done.stderr).toBe(0)
  expect(await state()).not.toEqual(before)
  expect(
    await jobs.sql(
      `select action,
         case when before_hash is null then 'after' when after_hash is null then 'before'
           else 'both' end as states
       from analysis_audit_log`,
    ),
  ).toEqual([{ action, states }])
})
