/**
 * A secret in every setting that takes one, in the environment, an .env file and a file that is named, and
 * in a datasource, is looked for wherever anybody could look while a service works: output, log file, process list, what children inherit, the database, a backup.
 * Output, errors and help of every command have it in test/cli/output-contract.test.ts and base-command.test.ts.
 */
import { spawnSync } from 'node:child_process'
import { globSync, mkdirSync, readFileSync, readdirSync, statSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { settingTable } from '../../src/core/config/index.ts'
import { descendantsOf } from '../support/descendants.ts'
import { type JobCommands, openJobCommands } from '../support/job-commands.ts'
import type { RunningKiln } from '../support/kiln.ts'
import { waitUntil } from '../support/wait-until.ts'

const root = path.resolve(import.meta.dirname, '../..')
const canary = 'canary-70c55d9b1e2f4a68b3d7'

const script = `
export const dependencies = { datasources: ['shop'] }
export default async function (params, ctx) {
  await ctx.datasource.shop.query('select 1 as a')
  await ctx.duckdb.query('select 1 as a')
  ctx.log('at work')
  while (!ctx.shouldStop()) await ctx.sleep(20)
}
`

let jobs: JobCommands
let service: RunningKiln
let env: Readonly<Record<string, string>>
let logFile: string
let address: string
beforeAll(async () => {
  jobs = await openJobCommands()
  const url = jobs.core.database.connectionString.replace(
    /\/\/([^/:@]*)(:[^/@]*)?@/,
    (_, user: string) => `//${user || 'postgres'}:${canary}@`,
  )
  expect(url).toContain(canary)
  logFile = path.join(jobs.core.folder.path, 'kiln.log')
  await jobs.script('.env', `ANALYSIS_EXECUTOR_URL=http://kiln:${canary}@127.0.0.1:1\n`)
  env = {
    DATABASE_URL: url,
    DATABASE_READONLY_URL: url,
    ANALYSIS_API_TOKEN: canary,
    BACKUP_PASSPHRASE_FILE: await jobs.script('passphrase', `${canary}\n`),
    LOG_FILE: logFile,
    LOG_LEVEL: 'debug',
    SHOP_URL: url,
  }
  const secrets = Object.values(settingTable).filter(({ isSecret }) => isSecret)
  expect(secrets.map(({ name }) => env[name] ?? env[`${name}_FILE`])).not.toContain(undefined)

  const added = await run(
    'datasource',
    'add',
    'shop',
    '--type',
    'postgres',
    '--url-env',
    'SHOP_URL',
  )
  expect(added.exitCode, added.stderr).toBe(0)
  await run('analysis', 'create', await jobs.script('work.js', script))
  service = jobs.start(['serve-scheduler', '--port', '0', '--concurrency', '1'], { env })
  address = (await service.waitForOutput(/(http:\/\/127\.0\.0\.1:\d+)/))[1] ?? ''
})
afterAll(() => jobs.close())

const run = (...args: readonly string[]) => jobs.run(args, { env })

/** What anybody on the machine sees of all processes, and what those of the service inherited. */
function lookAtProcesses(): { readonly commands: string[]; readonly inherited: string[] } {
  const read = (pid: string | number, file: string): string => {
    try {
      return readFileSync(`/proc/${pid}/${file}`, 'utf8').replaceAll('\0', ' ')
    } catch {
      // It ended while we looked.
      return ''
    }
  }
  const pids = readdirSync('/proc').filter((name) => /^\d+$/.test(name))
  const serviceCommand = read(service.pid, 'cmdline')
  return {
    commands: pids.map((pid) => read(pid, 'cmdline')),
    inherited: descendantsOf(service.pid)
      // Forked a moment ago and not yet another program: it is the service still.
      .filter((pid) => read(pid, 'cmdline') !== serviceCommand)
      .map((pid) => read(pid, 'environ')),
  }
}

it('is in no process list, output, log file, child, table or backup', async () => {
  const { stdout: queued } = await run('analysis', 'run', 'work', '--detach', '-o', 'name')
  const jobId = queued.trim()
  await waitUntil('the script is at work', async () => {
    const lines = await jobs.sql('select 1 from analysis_job_logs where job_id = $1', [jobId])
    return lines.length > 0
  })

  const seen = new Set<string>()
  const look = (): void => {
    const { commands, inherited } = lookAtProcesses()
    for (const text of [...commands, ...inherited]) seen.add(text)
  }
  look()
  const isOf = (part: string) => [...seen].some((text) => text.includes(part))
  expect([isOf('sandbox.js'), isOf('duckdb.js'), isOf('postgres')]).toEqual([true, true, true])

  // Meanwhile a backup with all that it starts, requests, and a command that fails.
  let backup: Awaited<ReturnType<typeof run>> | undefined
  void run('backup', 'create', '--encrypt', '--kind', 'daily').then((end) => (backup = end))
  await waitUntil('the backup has ended', () => {
    look()
    return backup !== undefined
  })
  expect(backup?.exitCode, backup?.stderr).toBe(0)
  const right = await fetch(`${address}/jobs/${jobId}`, {
    headers: { authorization: `Bearer ${canary}` },
  })
  const wrong = await fetch(`${address}/jobs/${jobId}`, {
    headers: { authorization: `Bearer ${canary.replace('7', '8')}` },
  })
  expect([right.status, wrong.status]).toEqual([200, 401])
  const bodies = [await right.text(), await wrong.text()]
  const shown = [
    await run('config', 'show', '--sources', '--json'),
    await run('config', 'show'),
    await run('health', '--json'),
    await run('datasource', 'show', 'shop', '--json'),
    await run('datasource', 'test', 'shop', '--json'),
    await run('job', 'show', jobId, '--json'),
    await run('doctor', '--only', 'settings,postgres', '--json'),
    await run('audit', 'list', '--json'),
    ...(await checkWrongSettings()),
  ]
  await run('job', 'cancel', jobId, '-q')
  service.kill('SIGTERM')
  const { exitCode, stdout, stderr } = await service.exited
  expect(exitCode).toBe(0)
  const log = readFileSync(logFile, 'utf8')
  expect(log).toContain(jobId)

  const activity = await jobs.sql('select * from pg_stat_activity')
  const tables = await jobs.sql(
    `select format('select %L as name, to_jsonb(t)::text as row from %I t', relname, relname) as query
     from pg_class where relkind = 'r' and relnamespace = 'public'::regnamespace`,
  )
  const rows = await Promise.all(tables.map(({ query }) => jobs.sql(String(query))))
  const { dataDir } = jobs.core.context.settings
  const files = globSync('**/*', { cwd: dataDir })
    .map((name) => path.join(dataDir, name))
    .filter((file) => statSync(file).isFile())
    .map((file) => readFileSync(file, 'latin1'))
  expect(files.length).toBeGreaterThan(3)

  const places = {
    processes: [...seen].join('\n'),
    output: `${stdout}${stderr}`,
    log,
    bodies: bodies.join('\n'),
    commands: shown.map((one) => one.stdout + one.stderr).join('\n'),
    activity: JSON.stringify(activity),
    tables: JSON.stringify(rows),
    files: files.join('\n'),
  }
  for (const [place, text] of Object.entries(places)) {
    expect(text.includes(canary), `the secret is in: ${place}`).toBe(false)
  }
})

/** What those say who find a URL where none belongs, in each place that settings come from. */
async function checkWrongSettings() {
  const wrong = `postgres://kiln:${canary}@db/kiln`
  const cwd = path.join(jobs.core.folder.path, 'wrong')
  mkdirSync(cwd)
  writeFileSync(path.join(cwd, '.env'), `POLL_INTERVAL_MS=${wrong}\n`)
  writeFileSync(path.join(cwd, 'zone'), wrong)
  const settings = { ...env, LOG_LEVEL: wrong, SCHEDULE_TIMEZONE_FILE: path.join(cwd, 'zone') }
  const options = { cwd, env: settings }
  const ends = [
    await jobs.run(['config', 'check', '--json'], options),
    await jobs.run(['doctor', '--only', 'settings.valid', '--json'], options),
  ]
  expect(ends.map(({ exitCode }) => exitCode)).toEqual([78, 2])
  for (const name of ['POLL_INTERVAL_MS', 'LOG_LEVEL', 'SCHEDULE_TIMEZONE']) {
    for (const { stdout } of ends) expect(stdout).toContain(name)
  }
  return ends
}

it('would not be in a manifest that is made where it is set', () => {
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    [
      '--input-type=module',
      '--eval',
      `import { Plugin } from '@oclif/core'
       const plugin = new Plugin({ root: ${JSON.stringify(root)}, type: 'core', ignoreManifest: true })
       await plugin.load()
       console.log(JSON.stringify(plugin.manifest))`,
    ],
    { cwd: root, encoding: 'utf8', maxBuffer: 32 * 1024 ** 2, env: { ...process.env, ...env } },
  )
  expect(status, stderr).toBe(0)
  expect(stdout).toContain('serve-scheduler')
  expect(stdout.includes(canary)).toBe(false)
})
