import { spawnSync } from 'node:child_process'
import { mkdir, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { query } from '../support/test-server.ts'
import { createTestDatabase } from '../support/database.ts'
import { runKiln } from '../support/kiln.ts'
import { startOwnPostgres } from '../support/own-postgres.ts'
import { type TemporaryFolder, createTemporaryFolder } from '../support/temporary-folder.ts'

let folder: TemporaryFolder
beforeAll(async () => {
  folder = await createTemporaryFolder('config')
})
afterAll(() => folder.remove())

const canary = 'canary-8c1f5d0e77a94b52'

/** Runs in a folder of its own with these files. */
async function config(
  args: readonly string[],
  options: {
    files?: Readonly<Record<string, string>>
    env?: Readonly<Record<string, string>>
  } = {},
) {
  const cwd = path.join(folder.path, String(Math.random()).slice(2))
  await mkdir(cwd)
  for (const [name, text] of Object.entries(options.files ?? {})) {
    await writeFile(path.join(cwd, name), text)
  }
  return runKiln(['config', ...args], { cwd, env: options.env ?? {} })
}

interface Shown {
  readonly items: { name: string; value: unknown; source: string }[]
}
const shown = (stdout: string) =>
  Object.fromEntries((JSON.parse(stdout) as Shown).items.map((item) => [item.name, item]))

describe('kiln config show', () => {
  it('takes the environment over files named by it, those over .env files, in their order', async () => {
    const secret = path.join(folder.path, 'token')
    await writeFile(secret, `${canary}\n`)
    const { stdout, exitCode } = await config(['show', '--sources', '--json'], {
      env: { POLL_INTERVAL_MS: '100', ANALYSIS_API_TOKEN_FILE: secret, LOG_LEVEL: '' },
      files: {
        '.env': [
          'POLL_INTERVAL_MS=400',
          'MAX_EXPORT_ROWS = "5" # five',
          "HOST='0.0.0.0'",
          'LOG_LEVEL=warn',
          '# LOG_FORMAT=text',
          'ENVIRONMENT=staging',
        ].join('\n'),
        '.env.staging': 'MAX_EXPORT_ROWS=7 # seven\nANALYSIS_API_TOKEN=not-this-one-0123\n',
        '.env.production': 'MAX_EXPORT_ROWS=9\n',
      },
    })
    expect(exitCode).toBe(0)
    expect(shown(stdout)).toMatchObject({
      POLL_INTERVAL_MS: { value: 100, source: 'environment' },
      ANALYSIS_API_TOKEN: { value: '***', source: secret, secret: true },
      MAX_EXPORT_ROWS: { value: 7, source: '.env.staging' },
      HOST: { value: '0.0.0.0', source: '.env' },
      LOG_LEVEL: { value: 'warn', source: '.env' },
      QUERY_TIMEOUT: { value: 30_000, source: 'default' },
      DATABASE_URL: { value: null, source: 'default' },
    })
    expect(stdout).not.toContain(canary)
  })

  it('shows sources when asked, and a flag as one', async () => {
    const url = `postgresql://kiln:${canary}@db/kiln`
    const { stdout, stderr } = await config(['show', '--sources', '--database-url', url])
    expect(stdout).toMatch(/DATABASE_URL +\*\*\* +flag/)
    expect(stdout).toMatch(/ANALYSIS_JOB_TIMEOUT_SECONDS +30 m +default/)
    expect(stdout + stderr).not.toContain(canary)
    expect((await config(['show'])).stdout).not.toContain('default')
  })
})

describe('kiln config check', () => {
  it('names everything that is wrong at once, and ends with 78', async () => {
    const { exitCode, stdout } = await config(['check', '--json'], {
      env: {
        DATABASE_POOL_SIZE: '0',
        ANALYSIS_API_TOKEN: 'short',
        ANALYSIS_API_TOKEN_FILE: '/nowhere',
        ANALYSIS_SANDBOX_MEMORY: '256MB',
      },
      files: { '.env': 'ANALYSIS_RESULT_RETENTION_DAYS=never\n' },
    })
    expect(exitCode).toBe(78)
    const { items } = JSON.parse(stdout) as { items: Record<string, string>[] }
    expect(items).toMatchObject([
      { name: 'DATABASE_POOL_SIZE', source: 'environment', level: 'error' },
      { name: 'ANALYSIS_RESULT_RETENTION_DAYS', source: '.env' },
      { name: 'ANALYSIS_API_TOKEN', problem: expect.not.stringContaining('short') },
      {
        name: 'ANALYSIS_SANDBOX_MEMORY',
        problem: expect.stringContaining('ANALYSIS_SANDBOX_MEMORY_LIMIT'),
      },
      { name: 'ANALYSIS_API_TOKEN', level: 'warning', problem: expect.stringMatching(/both set/) },
    ])
  })

  it('finds what only its user would find out, and reads what Windows wrote', async () => {
    const { exitCode, stdout } = await config(['check', '--json'], {
      files: {
        '.env': [
          '\uFEFFLOG_LEVEL=warn',
          'DATABASE_URL=mysql://kiln@db/kiln',
          'DATABASE_READONLY_URL=db',
          'ANALYSIS_EXECUTOR_URL=worker-3',
          'SCHEDULE_TIMEZONE=Mars/Olympus',
          'CLEANUP_SCHEDULE="61 * * * *"',
          'BACKUP_SCHEDULE=off',
          'LOG_MAX_SIZE=0',
          '',
        ].join('\r\n'),
      },
    })
    expect(exitCode).toBe(78)
    const { items } = JSON.parse(stdout) as { items: Record<string, string>[] }
    expect(items.map(({ name, source }) => `${source} ${name}`)).toEqual([
      '.env LOG_MAX_SIZE',
      '.env DATABASE_URL',
      '.env DATABASE_READONLY_URL',
      '.env ANALYSIS_EXECUTOR_URL',
      '.env SCHEDULE_TIMEZONE',
      '.env CLEANUP_SCHEDULE',
    ])
    const { stdout: shownText } = await config(['show', '--json'], {
      files: { '.env': '\uFEFFLOG_LEVEL=warn\r\nexport HOST=0.0.0.0\r\n' },
    })
    expect(shown(shownText)).toMatchObject({
      LOG_LEVEL: { value: 'warn' },
      HOST: { value: '0.0.0.0' },
    })
  })

  it('names lines of .env files that cannot be meant so, without what they say', async () => {
    const { exitCode, stdout } = await config(['check', '--json'], {
      files: {
        '.env': [
          'LOG_LEVEL warn',
          `BACKUP_PASSPHRASE="${canary}`,
          `HOST='127.0.0.1'${canary}`,
          '',
        ].join('\n'),
      },
    })
    expect(exitCode).toBe(78)
    const { items } = JSON.parse(stdout) as { items: Record<string, string>[] }
    expect(items.map(({ problem }) => problem)).toEqual([
      'line 1 of .env is not NAME=value',
      'line 2 of .env begins with a quote that never ends',
      'line 3 of .env goes on after its closing quote',
    ])
    expect(stdout).not.toContain(canary)
  })

  it.each([
    ['DATABASE_URL', `postgresql://u:${canary}@h:99999/d`],
    ['DATABASE_URL', `postgresql://u:${canary}/x@h/d`],
    ['DATABASE_READONLY_URL', `postgresql://u:${canary}@[::1/d`],
    ['HOST', 'http://0.0.0.0'],
    ['HOST', '999.1.1.1'],
    // They round to nothing: no pause between two polls, nothing kept.
    ['POLL_INTERVAL_MS', '0.2'],
    ['ANALYSIS_RESULT_RETENTION_DAYS', '0.000000001'],
  ])('refuses what the program would refuse later, or worse: %s', async (name, value) => {
    const { exitCode, stdout } = await config(['check', '--json'], { env: { [name]: value } })
    expect(exitCode).toBe(78)
    expect(JSON.parse(stdout)).toMatchObject({ items: [{ name, level: 'error' }] })
    expect(stdout).not.toContain(canary)
  })

  it.each([
    ['DATABASE_URL', 'postgresql+asyncpg://u:100%25@h:5432/d?sslmode=require'],
    ['DATABASE_URL', 'postgres://u@/d?host=/run/postgresql'],
    ['HOST', '::'],
    ['HOST', 'worker-3.internal'],
    ['POLL_INTERVAL_MS', '0.5'],
  ])('takes what the program takes: %s=%s', async (name, value) => {
    expect(await config(['check', '-q'], { env: { [name]: value } })).toMatchObject({
      exitCode: 0,
      stdout: '',
    })
  })

  it('refuses an empty file of a secret, which stands for one that was not mounted', async () => {
    const files = { empty: '\n', '.env': 'DATABASE_URL_FILE=empty\n' }
    const { exitCode, stdout } = await config(['check'], { files })
    expect({ exitCode, stdout }).toMatchObject({
      exitCode: 78,
      stdout: expect.stringContaining('empty, named by DATABASE_URL_FILE, is empty'),
    })
  })

  it('looks at what the command line gives', async () => {
    const { exitCode, stdout } = await config(['check', '--database-url', 'mysql://x', '--json'])
    expect(exitCode).toBe(78)
    expect(JSON.parse(stdout)).toMatchObject({ items: [{ name: 'DATABASE_URL', source: 'flag' }] })
  })

  it('reads what NAME_FILE points to', async () => {
    const { exitCode, stdout } = await config(['check'], { env: { DATABASE_URL_FILE: '/nowhere' } })
    expect({ exitCode, stdout }).toMatchObject({
      exitCode: 78,
      stdout: expect.stringContaining('cannot read /nowhere'),
    })
  })

  it('warns of contradictions with 1, and is content with none', async () => {
    const env = { ANALYSIS_JOB_TIMEOUT_SECONDS: '10' }
    expect((await config(['check'], { env })).exitCode).toBe(1)
    expect(await config(['check', '-q'])).toMatchObject({ exitCode: 0, stdout: '', stderr: '' })
  })
})

describe('kiln config suggest', () => {
  it('prints what psql takes, for the size that it is told', async () => {
    const { stdout } = await config(['suggest', '--memory', '64GB', '--cores', '16'])
    expect(stdout).toContain("ALTER SYSTEM SET shared_buffers = '8GB';")
    expect(stdout).toContain('MAX_CONCURRENT_JOBS=10')
    // Each value is one that Postgres takes; nothing is written where the statement fails in the end.
    const database = await createTestDatabase({ migrated: false })
    try {
      for (const [, name = '', value = ''] of stdout.matchAll(
        /ALTER SYSTEM SET (\w+) = '(.+)';/g,
      )) {
        await query(
          database.connectionString,
          `select set_config('${name}', '${value}', true)`,
        ).catch((error: unknown) => {
          // Those that need a restart are parsed first all the same.
          expect(String(error)).toMatch(/cannot be (set|changed) (after|without|now)/)
        })
      }
    } finally {
      await database.drop()
    }
  })

  const hasPsql = spawnSync('psql', ['--version']).error === undefined
  it.runIf(hasPsql)('takes no library from a server that loads others', async () => {
    const server = await startOwnPostgres()
    try {
      const { stdout } = await config(['suggest'])
      // The private Postgres has a mind of its own on what it loads.
      const asked = "current_setting('shared_preload_libraries')"
      expect(stdout).toContain(asked)
      const input = stdout.replace(asked, `'auto_explain, "$libdir/x y"'`)
      const { status, stderr } = spawnSync(
        'psql',
        ['-X', '-q', '-v', 'ON_ERROR_STOP=1', server.connectionString],
        { input, encoding: 'utf8' },
      )
      expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
      const { rows } = await server.pool.query<{ setting: string }>(
        `select setting from pg_file_settings
         where name = 'shared_preload_libraries' and sourcefile like '%auto.conf'`,
      )
      expect(rows[0]?.setting.split(', ').toSorted()).toEqual([
        '"$libdir/x y"',
        'auto_explain',
        'pg_stat_statements',
      ])
    } finally {
      await server.close()
    }
  })

  it('fits a small machine too', async () => {
    const { stdout } = await config(['suggest', '--memory', '1GB', '--cores', '1', '--json'])
    const values = Object.fromEntries(
      (JSON.parse(stdout) as { items: { name: string; value: string }[] }).items.map((item) => [
        item.name,
        item.value,
      ]),
    )
    expect(values).toMatchObject({ MAX_CONCURRENT_JOBS: '1', shared_buffers: '128MB' })
  })
})
