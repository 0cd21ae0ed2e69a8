import { rm } from 'node:fs/promises'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import {
  daysAgo,
  insertEnded,
  putFile,
  putResult,
  resultName,
  useFolder,
} from '../support/cleanup.ts'
import { type JobCommands, openJobCommands } from '../support/job-commands.ts'
import { waitUntil } from '../support/wait-until.ts'

let jobs: JobCommands
beforeAll(async () => {
  jobs = await openJobCommands()
})
afterAll(() => jobs.close())
beforeEach(async () => {
  await jobs.sql('truncate analysis_jobs, analysis_audit_log cascade')
  await rm(dataDir(), { recursive: true, force: true })
})

const dataDir = () => jobs.core.context.settings.dataDir
const ended = (days: number) => insertEnded(jobs.core.context, jobs.analysisId, days)
const addMany = (count: number) =>
  jobs.sql(
    `insert into analysis_jobs (analysis_id, status, created_at, completed_at)
     select $1, 'completed', $2, $2 from generate_series(1, ${count})`,
    [jobs.analysisId, daysAgo(400)],
  )
const left = async () => Number((await jobs.sql('select count(*) from analysis_jobs'))[0]?.count)
const sessions = async () => {
  const [row] = await jobs.sql(
    `select count(*) from pg_stat_activity
     where datname = current_database() and application_name like 'kiln cleanup%'`,
  )
  return Number(row?.count)
}
const kinds = (stdout: string) =>
  Object.fromEntries(
    (JSON.parse(stdout) as { items: { kind: string }[] }).items.map((item) => [item.kind, item]),
  )

describe('kiln cleanup', () => {
  it('says in a dry run what would go and why, and deletes it without', async () => {
    await putResult(jobs.core.context, await ended(400), { days: 400 })
    const dry = await jobs.run(['cleanup', '--dry-run'])
    expect(dry.exitCode).toBe(0)
    expect(dry.stdout).toMatch(/would delete/i)
    expect(dry.stdout).toMatch(/results +1 +1 +7 B +done +stored results older than 90 d/)
    expect(await left()).toBe(1)

    const json = await jobs.run(['cleanup', '--json'])
    expect(JSON.parse(json.stdout)).toMatchObject({ dry_run: false, complete: true, problems: [] })
    expect(kinds(json.stdout)).toMatchObject({
      results: { deleted: 1, files: 1, size_bytes: 7 },
      jobs: { deleted: 1, state: 'done', rule: expect.stringContaining('365 d') },
      orphans: { deleted: 0 },
    })
    expect(await left()).toBe(0)
  })

  it('prints the rules with --explain, and nothing with -q', async () => {
    const explained = await jobs.run(['cleanup', '--explain', '--older-than', '30d'])
    expect(explained.stdout).toMatch(/log lines of ended jobs older than 30 d/)
    expect(await jobs.run(['cleanup', '-q'])).toMatchObject({ exitCode: 0, stdout: '', stderr: '' })
  })

  it('takes its retention from the settings', async () => {
    await ended(40)
    const env = { ANALYSIS_JOB_RETENTION_DAYS: '30', ANALYSIS_RESULT_RETENTION_DAYS: '10' }
    await jobs.run(['cleanup'], { env })
    expect(await left()).toBe(0)
  })

  it('refuses words that are no kind, and times that are none', async () => {
    expect(await jobs.run(['cleanup', 'everything'])).toMatchObject({
      exitCode: 64,
      stderr: expect.stringContaining('name some of: results'),
    })
    expect((await jobs.run(['cleanup', '--older-than', 'soon'])).exitCode).toBe(64)
  })

  it('ends with 75 when the time is over, and goes on the next time', async () => {
    await addMany(300)
    const args = ['cleanup', 'jobs', '--batch-size', '1']
    const first = await jobs.run([...args, '--max-duration', '100ms', '--json'])
    expect(first.exitCode).toBe(75)
    expect(first.stderr).toContain('CLEANUP_UNFINISHED')
    expect(kinds(first.stdout).jobs).toMatchObject({ state: 'unfinished' })
    expect(await jobs.run(['cleanup'])).toMatchObject({ exitCode: 0 })
    expect(await left()).toBe(0)
  })
})

describe('in the middle of it', () => {
  /** Started with more rows than it can take in a while, and caught after some batches. */
  async function caught() {
    await addMany(3000)
    const kiln = jobs.start(['cleanup', 'jobs', '--batch-size', '5'])
    kiln.stdin.end()
    await waitUntil('some are gone', async () => (await left()) < 2950)
    return kiln
  }

  it('may be killed: what went is gone, and the next one takes the rest', async () => {
    const kiln = await caught()
    kiln.kill('SIGKILL')
    await kiln.exited
    // The server ends the batch that it was sent.
    await waitUntil('its sessions are gone', async () => (await sessions()) === 0)
    const rest = await left()
    expect(rest).toBeGreaterThan(0)
    await useFolder(jobs.core.context)
    // A file whose row went just before: nobody names it any more.
    await putFile(dataDir(), resultName(await ended(2)), { days: 2 })
    const next = await jobs.run(['cleanup', '--json'])
    expect(next.exitCode).toBe(0)
    expect(kinds(next.stdout)).toMatchObject({
      jobs: { deleted: rest },
      orphans: { deleted: 1 },
    })
  })

  it('stops after its batch on SIGTERM', async () => {
    const kiln = await caught()
    kiln.kill('SIGTERM')
    expect((await kiln.exited).exitCode).toBe(143)
    expect(await left()).toBeGreaterThan(0)
  })

  it('leaves nothing to do for a second one, which says so', async () => {
    const kiln = await caught()
    const second = await jobs.run(['cleanup', 'jobs', '--json'])
    expect(second.exitCode).toBe(75)
    expect(second.stderr).toMatch(/another cleanup is at work: pid \d+ \(kiln cleanup\)/)
    kiln.kill('SIGKILL')
    await kiln.exited
  })

  it('does all of it once when two begin together', async () => {
    await addMany(200)
    const both = await Promise.all([jobs.run(['cleanup']), jobs.run(['cleanup'])])
    for (const { exitCode } of both) expect([0, 75]).toContain(exitCode)
    expect(await left()).toBe(0)
  })
})
