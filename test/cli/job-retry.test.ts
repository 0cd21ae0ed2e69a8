import { execFileSync } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import path from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { type JobCommands, openJobCommands } from '../support/job-commands.ts'

let jobs: JobCommands
let tops: string
beforeAll(async () => {
  jobs = await openJobCommands()
  await jobs.script(
    'tops.js',
    `export default {
  parameters: [{ name: 'top', type: 'number', max: 9 }, { name: 'month', type: 'string', default: 'may' }],
  run: (ctx, params) => params,
}`,
  )
  const created = await jobs.run(['analysis', 'create', 'tops.js', '--json'])
  tops = JSON.parse(created.stdout).id
})
afterAll(() => jobs.close())
beforeEach(() => jobs.sql('truncate analysis_jobs cascade'))

const retry = (...args: string[]) => jobs.run(['job', 'retry', ...args])
const parametersOf = async (id: string) =>
  (await jobs.sql('select parameters from analysis_jobs where id = $1', [id]))[0]?.parameters
const addTops = (parameters: object) =>
  jobs.add({ analysis_id: tops, status: 'failed', parameters: JSON.stringify(parameters) })

describe('kiln job retry', () => {
  it('prints the new job beside the old one, or its id alone', async () => {
    const failed = await jobs.add({ status: 'failed' })
    const table = await retry(failed)
    expect(table).toMatchObject({ exitCode: 0, stderr: '' })
    expect(table.stdout).toMatch(/^ID +OUTCOME +NEW JOB\n/)
    const { items } = JSON.parse((await retry(failed, '--json')).stdout)
    expect(items).toEqual([
      {
        id: failed,
        outcome: 'queued',
        new_job_id: expect.stringMatching(/^[0-9a-f-]{36}$/),
        analysis_name: 'test',
        error_code: null,
        error_message: null,
      },
    ])
    const name = (await retry(failed, '-o', 'name')).stdout.trim()
    const [row] = await jobs.sql('select retry_of from analysis_jobs where id = $1', [name])
    expect(row).toEqual({ retry_of: failed })
  })

  it('changes single parameters with -p, and all with --params', async () => {
    const failed = await addTops({ top: 5, month: 'june' })
    const one = await retry(failed, '-p', 'top=7', '-o', 'name')
    expect(await parametersOf(one.stdout.trim())).toEqual({ top: 7, month: 'june' })
    const all = await jobs.run(['job', 'retry', failed, '--params', '-', '-o', 'name'], {
      input: '{"top": 1}',
    })
    expect(await parametersOf(all.stdout.trim())).toEqual({ top: 1 })
  })

  it.each([
    ['a value is out of range', 'top=99', 65],
    ['a parameter is unknown', 'bottom=1', 65],
    ['the flag is no pair', 'top', 64],
  ])('queues nothing when %s', async (_name, pair, exitCode) => {
    const failed = await addTops({ top: 5 })
    expect(await retry(failed, '-p', pair)).toMatchObject({ exitCode })
    expect(await jobs.sql('select id from analysis_jobs')).toHaveLength(1)
  })

  it('ends with 1 for a job that has not ended, 66 for none, 24 for some of each', async () => {
    const pending = await jobs.add()
    const failed = await jobs.add({ status: 'failed' })
    const missing = randomUUID()
    expect(await retry(pending)).toMatchObject({ exitCode: 1 })
    expect(await retry(missing)).toMatchObject({ exitCode: 66 })
    expect(await retry(pending, missing)).toMatchObject({ exitCode: 1 })
    expect(await retry(failed, 'x')).toMatchObject({ exitCode: 64, stdout: '' })
    const some = await retry(failed, pending, missing, '-o', 'name')
    expect(some.exitCode).toBe(24)
    expect(some.stdout).toMatch(/^[0-9a-f-]{36}\n$/)
    expect(some.stderr).toContain(`${pending} is not finished, ${missing} is not found`)
  })

  it('retries what a list prints, as its help shows', async () => {
    await jobs.add({ status: 'failed' })
    await jobs.add({ status: 'failed' })
    await jobs.add({ status: 'completed' })
    const sh = (line: string) =>
      execFileSync('sh', ['-euc', line], {
        env: {
          PATH: `${path.resolve('bin')}:${process.env.PATH}`,
          DATABASE_URL: jobs.core.database.connectionString,
          ANALYSIS_DATA_DIR: jobs.core.context.settings.dataDir,
        },
        encoding: 'utf8',
        stdio: 'pipe',
      })
    sh('kiln job list --status failed --since 24h -o name | xargs -r kiln job retry')
    expect(
      await jobs.sql(
        `select count(*)::int as n from analysis_jobs where triggered_by = 'retry' and status = 'pending'`,
      ),
    ).toEqual([{ n: 2 }])
    sh('kiln job cancel --status pending --yes -q')
    // Nothing is listed, so nothing is waited for.
    expect(sh('kiln job list --status pending -o name | xargs -r kiln job wait --any')).toBe('')
  })
})
