import { existsSync } from 'node:fs'
import { chmod, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { type JobCommands, openJobCommands } from '../support/job-commands.ts'

let jobs: JobCommands
beforeAll(async () => {
  jobs = await openJobCommands()
})
afterAll(() => jobs.close())

interface Report {
  readonly status: string
  readonly critical: number
  readonly skipped: number
  readonly items: { readonly id: string; readonly status: string; readonly mend: string | null }[]
}
const report = (stdout: string): Report => JSON.parse(stdout) as Report

it('ends with 0, 1 or 2 by the worst that it found', async () => {
  // One that waits for a second connection must get it, and not keep the others waiting.
  const well = await jobs.run(['doctor', '--only', 'queue,postgres.notifications', '--json'], {
    env: { DATABASE_POOL_SIZE: '1' },
  })
  expect(well.exitCode).toBe(0)
  expect(report(well.stdout)).toMatchObject({ status: 'ok', critical: 0, skipped: 0 })

  const file = path.join(jobs.core.folder.path, '.env')
  await writeFile(file, 'LOG_LEVEL=info\n')
  await chmod(file, 0o644)
  const warns = await jobs.run(['doctor', '--only', 'settings.files'])
  expect(warns.exitCode).toBe(1)
  expect(warns.stdout).toMatch(/warning +settings.files +others may read .*chmod 600/)
  expect(warns.stderr).toContain('1 checks: 0 critical, 1 warning')
  expect((await jobs.run(['doctor', '--only', 'settings', '--fix', '-q'])).exitCode).toBe(0)

  await jobs.add({ run_at: '2020-01-01' })
  expect((await jobs.run(['doctor', '--only', 'queue.oldest-due', '-q'])).exitCode).toBe(2)
})

it('lists its checks, and refuses names that are none', async () => {
  const { stdout } = await jobs.run(['doctor', '--list', '-o', 'name'])
  expect(stdout.split('\n').length).toBeGreaterThan(30)
  expect((await jobs.run(['doctor', '--only', 'queue,nothing'])).exitCode).toBe(64)
})

it('works without a database, and with settings that cannot be read', async () => {
  const env = { DATABASE_URL: 'postgresql://nobody@127.0.0.1:1/none' }
  const away = await jobs.run(['doctor', '--only', 'postgres,disk', '--json'], { env })
  expect(away.exitCode).toBe(2)
  const { items } = report(away.stdout)
  expect(items.find(({ id }) => id === 'postgres.reachable')?.status).toBe('critical')
  expect(items.find(({ id }) => id === 'disk.space')?.status).toBe('ok')

  const file = path.join(jobs.core.folder.path, '.env')
  await writeFile(file, 'LOG_LEVEL=info\n')
  await chmod(file, 0o644)
  const dataDir = path.join(jobs.core.folder.path, 'none')
  const nothing = await jobs.run(['doctor', '--only', 'settings.files,postgres', '--fix'], {
    env: { DATABASE_URL: '', ANALYSIS_DATA_DIR: dataDir },
  })
  expect(nothing.exitCode).toBe(0)
  expect(nothing.stdout).toMatch(
    /ok +settings.files .* not in the audit log: .*\/none has no private/,
  )
  expect(nothing.stdout).toMatch(/skipped +postgres.reachable .* kiln db start/)
  expect(existsSync(dataDir)).toBe(false)

  const broken = await jobs.run(['doctor', '--only', 'settings', '--json'], {
    env: { MAX_CONCURRENT_JOBS: 'many', ANALYSIS_TYPO: '1' },
  })
  expect(broken.exitCode).toBe(2)
  expect(report(broken.stdout).items[0]).toMatchObject({
    id: 'settings.valid',
    status: 'critical',
    fact: expect.stringMatching(/MAX_CONCURRENT_JOBS.*ANALYSIS_TYPO/),
  })
})
