import { existsSync } from 'node:fs'
import { spawn } from 'node:child_process'
import path from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { type JobCommands, openJobCommands } from '../support/job-commands.ts'
import { waitUntil } from '../support/wait-until.ts'

/** util-linux' script(1), which gives a program a terminal. */
const terminal = '/usr/bin/script'

let jobs: JobCommands
beforeAll(async () => {
  jobs = await openJobCommands()
})
afterAll(() => jobs.close())
beforeEach(() => jobs.sql('truncate analysis_jobs cascade'))

const list = (...args: string[]) => jobs.run(['job', 'list', ...args])

describe('kiln job list', () => {
  it('shows progress and what a job waits for with -o wide only', async () => {
    await jobs.addRunning({ progress: 0.456, progress_message: 'loading' })
    await jobs.add({ ready: false, waiting_reason: 'maxConcurrent of "test" is 1' })
    const wide = (await list('-o', 'wide')).stdout
    expect(wide).toContain('46 % loading')
    expect(wide).toContain('maxConcurrent of "test" is 1')
    const table = (await list()).stdout
    expect(table).toMatch(/^ID +ANALYSIS +PROJECT +STATUS +CREATED +TOOK +ERROR\n/)
    expect(table).not.toContain('loading')
  })

  it('pages with the cursor that each page gives', async () => {
    for (const day of [1, 2, 3]) await jobs.add({ created_at: `2026-01-0${day}T00:00:00Z` })
    const first = JSON.parse((await list('--limit', '2', '--json')).stdout)
    expect(first.items.map((job: { created_at: string }) => job.created_at)).toEqual([
      '2026-01-03T00:00:00Z',
      '2026-01-02T00:00:00Z',
    ])
    const rest = JSON.parse((await list('--cursor', first.next_cursor, '--json')).stdout)
    expect(rest).toMatchObject({
      items: [{ created_at: '2026-01-01T00:00:00Z' }],
      next_cursor: null,
    })
    const people = await list('--limit', '2', '-o', 'name')
    expect(people.stderr).toBe(`more: --cursor ${first.next_cursor}\n`)
    expect(await list('--limit', '2', '-o', 'name', '-q')).toMatchObject({ stderr: '' })
    expect(await list('--cursor', 'x')).toMatchObject({ exitCode: 64, stdout: '' })
  })

  it('filters by repeated status, and says when nothing matches', async () => {
    const failed = await jobs.add({ status: 'failed' })
    const cancelled = await jobs.add({ status: 'cancelled' })
    await jobs.add()
    const both = await list('--status', 'failed', '--status', 'cancelled', '-o', 'name')
    expect(both.stdout.trim().split('\n').toSorted()).toEqual([failed, cancelled].toSorted())
    const none = await list('--status', 'running')
    expect(none).toMatchObject({ exitCode: 0, stdout: '', stderr: 'no jobs\n' })
    expect(await list('--analysis', 'none')).toMatchObject({ exitCode: 66 })
    expect(await list('--status', 'done')).toMatchObject({ exitCode: 64 })
  })

  it('refuses a period that ends before it begins, and a number that may be a year', async () => {
    for (const [since, until] of [
      ['1h', '2h'],
      ['2026-01-02', '2026-01-01'],
      ['2026-01-01', '2026-01-01T00:00:00Z'],
    ] as const) {
      const refused = await list('--since', since, '--until', until)
      expect(refused).toMatchObject({ exitCode: 64, stdout: '' })
      expect(refused.stderr).toContain('is not after --since')
    }
    expect(await list('--since', '2h', '--until', '1h')).toMatchObject({ exitCode: 0 })
    expect(await list('--since', '2026')).toMatchObject({ exitCode: 64 })
  })
})

describe('kiln job list --watch', () => {
  it('prints a line of JSON for each change off a terminal, until Ctrl-C', async () => {
    const id = await jobs.addRunning()
    const kiln = jobs.start(['job', 'list', '--status', 'running', '--watch', '--interval', '50ms'])
    const lines = () => kiln.stdout.trimEnd().split('\n').filter(Boolean)
    await waitUntil('the job is there', () => lines().length === 1)
    await jobs.sql('update analysis_jobs set progress = 0.5')
    await waitUntil('its progress is there', () => lines().length === 2)
    await jobs.sql(`update analysis_jobs set status = 'completed'`)
    await waitUntil('its end is there', () => lines().length === 3)
    kiln.kill('SIGINT')
    expect(await kiln.exited).toMatchObject({ exitCode: 130, stderr: '' })
    expect(lines().map((line) => JSON.parse(line))).toMatchObject([
      { id, status: 'running', progress: null },
      { id, status: 'running', progress: 0.5 },
      { id, status: 'completed' },
    ])
  })

  it('needs no cursor, and --interval needs --watch', async () => {
    expect(await list('--watch', '--cursor', 'x')).toMatchObject({ exitCode: 64 })
    expect(await list('--interval', '1s')).toMatchObject({ exitCode: 64 })
  })

  it.skipIf(!existsSync(terminal))('draws the table anew on a terminal', async () => {
    const id = await jobs.addRunning()
    const kiln = path.resolve('bin/kiln')
    const child = spawn(
      terminal,
      [
        '-qefc',
        `stty rows 10 cols 200; exec ${kiln} job list --watch --interval 50ms`,
        '/dev/null',
      ],
      {
        cwd: jobs.core.folder.path,
        env: {
          PATH: process.env.PATH,
          TERM: 'xterm',
          DATABASE_URL: jobs.core.database.connectionString,
          ANALYSIS_DATA_DIR: jobs.core.context.settings.dataDir,
        },
        stdio: ['pipe', 'pipe', 'ignore'],
      },
    )
    const ended = new Promise<number | null>((resolve) => child.on('close', resolve))
    let screen = ''
    child.stdout.setEncoding('utf8').on('data', (text: string) => (screen += text))
    /** What stands there since the cursor last went home. */
    const shown = () => screen.slice(screen.lastIndexOf('\u001b[H'))
    await waitUntil('the job is drawn', () => /running/.test(shown()))
    expect(shown()).toContain(id)
    await jobs.sql(`update analysis_jobs set status = 'completed'`)
    await waitUntil('its end is drawn', () => /completed/.test(shown()))
    child.stdin.write('\u0003')
    expect(await ended).toBe(130)
  })
})
