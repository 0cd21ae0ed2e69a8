/** Pairs of docs/replacing-scripts.md: the script of a guide and the command come to the same. */
import { spawnSync } from 'node:child_process'
import { existsSync, globSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import path from 'node:path'
import { afterAll, afterEach, beforeEach, expect, it } from 'vitest'
import { createBackup } from '../../src/core/backup/index.ts'
import { addStoredResult } from '../support/backup.ts'
import { daysAgo, insertEnded, putFile, putResult } from '../support/cleanup.ts'
import { type JobCommands, openJobCommands } from '../support/job-commands.ts'
import { projectFile, readDatabase, writeDatabase } from '../support/project-files.ts'

const root = path.resolve(import.meta.dirname, '../..')
const page = readFileSync(path.join(root, 'docs/replacing-scripts.md'), 'utf8')
const has = (program: string) => spawnSync(program, ['--version']).status === 0
const hasPsql = has('psql')

/** Sections with a script in them. */
const titles = page
  .split('\n## ')
  .filter((section) => section.includes('```bash'))
  .map((section) => section.slice(0, section.indexOf('\n')))
const tested: string[] = []
/** A test of the section of this title. */
const pair = (title: string, isRunnable: boolean, test: () => Promise<void>): void => {
  tested.push(title)
  it.runIf(isRunnable)(title, test)
}

afterAll(() => {
  // Each script of the page has its test.
  expect(tested).toEqual(titles)
})

/** The script and the command of a section. */
function pairOf(title: string): { readonly script: string; readonly command: string } {
  const section = page.split('\n## ').find((text) => text.startsWith(`${title}\n`)) ?? ''
  const block = (language: string) =>
    new RegExp(`\`\`\`${language}\n([^]*?)\n\`\`\``).exec(section)?.[1] ?? ''
  return { script: block('bash'), command: block('sh') }
}

/** The same rows on two databases: one for each side. */
let sides: JobCommands[]
beforeEach(async () => {
  sides = await Promise.all([openJobCommands(), openJobCommands()])
})
afterEach(() => Promise.all(sides.map((side) => side.close())))

const backupsOf = (side: JobCommands): string => path.join(side.core.folder.path, 'backups')

function run(side: JobCommands, text: string): string {
  const { dataDir } = side.core.context.settings
  // What an operator writes there is the name of a database and of a data folder of their own.
  const script = text
    .replaceAll('--confirm kiln', `--confirm ${side.core.database.name}`)
    .replaceAll('--confirm analysis-data', `--confirm ${path.basename(dataDir)}`)
  const { status, stdout, stderr } = spawnSync('bash', ['--norc', '-eu', '-c', script], {
    cwd: side.core.folder.path,
    encoding: 'utf8',
    env: {
      PATH: `${path.join(root, 'bin')}:${process.env.PATH}`,
      HOME: side.core.folder.path,
      DATABASE_URL: side.core.database.connectionString,
      ANALYSIS_DATA_DIR: dataDir,
      BACKUP_DIR: backupsOf(side),
      BACKUP_REPOSITORY: backupsOf(side),
    },
  })
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
  return stdout
}

/** Runs the script on one side and the command on the other, silently with -q; what each printed. */
async function both(
  title: string,
  seed: (side: JobCommands) => Promise<void>,
): Promise<readonly [string, string]> {
  const { script, command } = pairOf(title)
  expect([script, command]).not.toContain('')
  for (const side of sides) await seed(side)
  const [ours, theirs] = sides as [JobCommands, JobCommands]
  const printed = [run(ours, script), run(theirs, command)] as const
  if (command.includes(' -q')) expect(printed[1]).toBe('')
  return printed
}

const states = (text: string) => Promise.all(sides.map((side) => side.sql(text)))
const ids = (count: number): string[] =>
  Array.from({ length: count }, (_, index) => `00000000-0000-4000-8000-00000000000${index}`)
const fileOf = (side: JobCommands) => projectFile(side.core.context.settings.dataDir, 'default')
const hoursAgo = (hours: number) => daysAgo(hours / 24)

/** A backup of each side as it would be if it had been made so long ago. */
async function backUpDaysAgo(days: number): Promise<void> {
  const [ours, theirs] = sides as [JobCommands, JobCommands]
  for (const kind of ['dump', 'tar.gz']) {
    await putFile(backupsOf(ours), `${days}-days-old.${kind}`, { days })
  }
  const now = () => Date.parse(daysAgo(days))
  await createBackup(
    { ...theirs.core.context, clock: { ...theirs.core.context.clock, now } },
    { repository: backupsOf(theirs), parts: ['postgres', 'duckdb', 'config'] },
  )
}

pair('Backup', has('pg_dump'), async () => {
  await backUpDaysAgo(40)
  const results: string[] = []
  await both('Backup', async (side) => {
    const [a = '', b = ''] = ids(2)
    await side.add({ id: a, status: 'failed', error_message: 'no' })
    await side.add({ id: b, parameters: '{"day": "2026-11-29"}' })
    results.push(await addStoredResult(side.core, side.analysisId))
    await writeDatabase(fileOf(side), 'create table t as select 42 as x')
  })
  const [ours, theirs] = sides as [JobCommands, JobCommands]
  // The old ones have gone.
  const sets = globSync('backups/*/manifest.json', { cwd: backupsOf(theirs) })
  const files = ['*.dump', '*.tar.gz'].map((name) => globSync(name, { cwd: backupsOf(ours) }))
  expect([sets, ...files].map(({ length }) => length)).toEqual([1, 1, 1])

  const rows = () =>
    states(
      `select jobs.status, jobs.parameters, jobs.error_message, stored.checksum
       from analysis_jobs jobs left join analysis_result_storage stored on stored.job_id = jobs.id
       order by jobs.status`,
    )
  const before = await rows()
  expect(before[0]).toHaveLength(3)
  await states('delete from analysis_jobs')
  for (const [index, side] of sides.entries()) {
    rmSync(path.join(side.core.context.settings.dataDir, results[index] ?? ''))
    rmSync(fileOf(side))
  }
  await both('Restore', () => Promise.resolve())
  expect(await rows()).toEqual(before)
  for (const [index, side] of sides.entries()) {
    const result = path.join(side.core.context.settings.dataDir, results[index] ?? '')
    expect(readFileSync(result, 'utf8')).toBe('a result')
    expect(await readDatabase(fileOf(side), 'from t')).toEqual([[42]])
  }
})
// Of what the other has made.
tested.push('Restore')

pair('Clean up', hasPsql, async () => {
  const [a = '', b = '', c = '', d = ''] = ids(4)
  await both('Clean up', async (side) => {
    const { context } = side.core
    await insertEnded(context, side.analysisId, 400, { id: a })
    await insertEnded(context, side.analysisId, 300, { id: b, status: 'failed' })
    await insertEnded(context, side.analysisId, 10, { id: c })
    await side.add({ id: d, created_at: daysAgo(500) })
    await putResult(context, b, { days: 91 })
    await putResult(context, c, { days: 9 })
    for (const name of ['big.tmp', 'databases/p/big.tmp']) {
      await putFile(context.settings.dataDir, name, { bytes: 101 * 1024 ** 2, days: 1 })
    }
  })
  const [ours, theirs] = await states('select id, status from analysis_jobs order by id')
  expect(theirs).toEqual(ours)
  expect(ours).toHaveLength(3)
  const [results, otherResults] = await states('select job_id from analysis_result_storage')
  expect([results, otherResults]).toEqual([[{ job_id: c }], [{ job_id: c }]])
  for (const { core } of sides) {
    const { dataDir } = core.context.settings
    expect(existsSync(path.join(dataDir, 'big.tmp'))).toBe(false)
    expect(existsSync(path.join(dataDir, 'databases/p/big.tmp'))).toBe(true)
  }
})

pair('Stuck jobs', hasPsql, async () => {
  const [a = '', b = '', c = ''] = ids(3)
  await both('Stuck jobs', async (side) => {
    await side.addRunning({ id: a, started_at: hoursAgo(3) })
    await side.addRunning({ id: b, started_at: hoursAgo(1) })
    await side.add({ id: c, created_at: hoursAgo(9) })
  })
  const [ours, theirs] = await states(
    'select id, status, error_message, error_code from analysis_jobs order by id',
  )
  expect(theirs).toEqual(ours)
  expect(ours?.map(({ status }) => status)).toEqual(['cancelled', 'running', 'pending'])
})

pair('Queue status', hasPsql, async () => {
  const [script, command] = await both('Queue status', async (side) => {
    for (const status of ['completed', 'completed', 'failed']) await side.add({ status })
    await side.add()
    await side.add({ status: 'completed', created_at: hoursAgo(2) })
  })
  const counts = Object.fromEntries(
    script
      .trim()
      .split('\n')
      .map((line) => line.split('|'))
      .map(([status = '', count]) => [status, Number(count)]),
  )
  const { by_status } = JSON.parse(command) as { by_status: Record<string, number> }
  expect(by_status).toEqual({
    pending: 0,
    running: 0,
    completed: 0,
    failed: 0,
    cancelled: 0,
    ...counts,
  })
  expect(counts).toEqual({ completed: 2, failed: 1, pending: 1 })
})

pair('Long-running jobs', hasPsql, async () => {
  const [a = '', b = ''] = ids(2)
  const [script, command] = await both('Long-running jobs', async (side) => {
    await side.addRunning({ id: a, started_at: hoursAgo(1) })
    await side.addRunning({ id: b, started_at: hoursAgo(0.1) })
  })
  expect([script, command]).toEqual([`${a}\n`, `${a}\n`])
})

pair('Failing analyses', hasPsql, async () => {
  const [script, command] = await both('Failing analyses', async (side) => {
    for (let count = 0; count < 5; count += 1) {
      await side.add({ status: count < 2 ? 'failed' : 'completed', completed_at: hoursAgo(1) })
    }
  })
  expect([script, command]).toEqual(['test\n', 'test\n'])
})

pair('Health', true, async () => {
  const server = createServer((_request, response) => response.end('{"status":"healthy"}'))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const { script, command } = pairOf('Health')
  try {
    const [side] = sides as [JobCommands]
    writeFileSync(path.join(side.core.folder.path, 'run.sh'), `${script}\n${command}\n`)
    // Not spawnSync: the server is in this process.
    const { execFile } = await import('node:child_process')
    const stdout = await new Promise<string>((resolve, reject) => {
      const env = {
        PATH: `${path.join(root, 'bin')}:${process.env.PATH}`,
        HOME: side.core.folder.path,
        ANALYSIS_EXECUTOR_URL: url,
      }
      execFile('bash', ['--norc', 'run.sh'], { cwd: side.core.folder.path, env }, (error, text) =>
        error ? reject(error) : resolve(text),
      )
    })
    expect(stdout).toMatch(/^healthy\n/)
    expect(stdout).toMatch(/^service,http:\S+,healthy,/m)
  } finally {
    server.close()
  }
})
