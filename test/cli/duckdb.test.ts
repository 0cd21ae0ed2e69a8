import { chownSync, existsSync, mkdirSync, statSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type TestDatabase, createTestDatabase } from '../support/database.ts'
import { runKiln, startKiln } from '../support/kiln.ts'
import { type TemporaryFolder, createTemporaryFolder } from '../support/temporary-folder.ts'
import { waitUntil } from '../support/wait-until.ts'

let database: TestDatabase
let folder: TemporaryFolder
let pool: pg.Pool
beforeAll(async () => {
  database = await createTestDatabase()
  folder = await createTemporaryFolder('duckdb')
  pool = new pg.Pool({ connectionString: database.connectionString, max: 2 })
  writeFileSync(
    path.join(folder.path, 'fill.js'),
    `export default {
      database: 'write',
      parameters: { rows: { type: 'integer', default: 1000 } },
      async run(ctx, { rows }) {
        await ctx.duckdb.exec('create or replace table sales as select range as id, range * 1.5 as total from range($1)', [rows])
        await ctx.duckdb.exec('create or replace table empty (a int)')
      },
    }`,
  )
  writeFileSync(
    path.join(folder.path, 'hold.js'),
    `export default {
      database: 'write',
      async run(ctx) {
        await ctx.duckdb.exec('update sales set total = 0')
        await ctx.progress(0.5, 'holding')
        while ((await ctx.metadata.get('go')) !== true) await ctx.sleep(20)
      },
    }`,
  )
  expect((await kiln('analysis', 'run', 'fill.js', '--project', 'shop')).exitCode).toBe(0)
})
afterAll(async () => {
  await pool.end()
  await database.drop()
  await folder.remove()
})

const options = (dataDir = 'data', input?: string) => ({
  cwd: folder.path,
  env: {
    DATABASE_URL: database.connectionString,
    ANALYSIS_DATA_DIR: path.join(folder.path, dataDir),
  },
  ...(input === undefined ? {} : { input }),
})
const kiln = (...args: string[]) => runKiln(args, options())
const json = async (...args: string[]): Promise<unknown> =>
  JSON.parse((await kiln(...args, '--json')).stdout)
const file = (dataDir = 'data') =>
  path.join(folder.path, dataDir, 'databases', 'shop', 'shop.duckdb')

/** Runs `work` while a job writes the database. */
async function whileWritten(work: (jobId: string) => Promise<void>): Promise<void> {
  const writer = startKiln(['analysis', 'run', 'hold.js', '--project', 'shop'], options())
  try {
    const job = await waitUntil('a job writes', async () => {
      const { rows } = await pool.query<{ id: string; analysis_id: string }>(
        `select id, analysis_id from analysis_jobs where status = 'running' and progress = 0.5`,
      )
      return rows[0]
    })
    await work(job.id)
    await pool.query(
      `insert into analysis_metadata (analysis_id, key, value) values ($1, 'go', 'true')`,
      [job.analysis_id],
    )
    await writer.exited
    await pool.query('delete from analysis_metadata')
  } finally {
    writer.kill('SIGKILL')
    await writer.exited
  }
}

describe('duckdb query', () => {
  it('prints rows in every format', async () => {
    const sql = 'select id, total from sales order by id limit 2'
    const rows = [
      { id: 0, total: 0 },
      { id: 1, total: 1.5 },
    ]
    expect(await json('duckdb', 'query', 'shop', sql)).toEqual(rows)
    expect((await kiln('duckdb', 'query', 'shop', sql, '-o', 'csv')).stdout).toBe(
      'id,total\n0,0\n1,1.5\n',
    )
    expect((await kiln('duckdb', 'query', 'shop', sql, '-o', 'table')).stdout).toMatch(/^1 +1\.5$/m)
    const piped = await runKiln(['duckdb', 'query', 'shop', '-'], options('data', `${sql};\n`))
    expect(JSON.parse(piped.stdout)).toEqual(rows)
  })

  it.each([
    ['insert into sales values (1, 1)', /read-only/],
    ["copy sales to '/tmp/kiln-was-here.csv'", /COPY statements are not allowed/],
    ["select * from read_text('/etc/passwd')", /disabled by configuration/],
    ["attach '/tmp/kiln-was-here.duckdb' as x", /ATTACH statements are not allowed/],
    ['select 1; select 2', /one statement/],
    ['from _kiln.commits', /_kiln is a schema of Kiln's own/],
    ['select nonsense from sales', /nonsense/],
    ['from range(200000)', /more than 100000 rows/],
  ])('refuses %s', async (sql, message) => {
    const result = await kiln('duckdb', 'query', 'shop', sql, '--json')
    expect(result).toMatchObject({ exitCode: 65, stdout: '' })
    const { error } = JSON.parse(result.stderr) as { error: { message: string } }
    expect(error.message).toMatch(message)
    expect(error.message).not.toContain(folder.path)
  })

  it('says what is not there', async () => {
    expect(await kiln('duckdb', 'query', 'nowhere', 'select 1')).toMatchObject({ exitCode: 66 })
    expect(await kiln('duckdb', 'query', 'shop')).toMatchObject({ exitCode: 64 })
    const elsewhere = await runKiln(['duckdb', 'query', 'shop', 'select 1'], options('other'))
    expect(elsewhere.exitCode).toBe(78)
    expect(elsewhere.stderr).toContain('is in the data folder')
  })

  it('is refused while a job writes, and with --wait comes after it', async () => {
    await whileWritten(async (jobId) => {
      const refused = await kiln('duckdb', 'query', 'shop', 'from sales', '--json')
      expect(refused.exitCode).toBe(75)
      expect(JSON.parse(refused.stderr)).toMatchObject({
        error: { code: 'PROJECT_DATABASE_BUSY', retryable: true },
      })
      expect(refused.stderr).toContain(jobId)
      const info = (await json('duckdb', 'info', 'shop')) as Record<string, unknown>
      expect(info).toMatchObject({
        tables: null,
        unread_reason: expect.stringContaining(jobId) as string,
        users: [{ use: 'write', state: 'running', job_id: jobId }],
      })
      expect(await kiln('duckdb', 'sizes', 'shop')).toMatchObject({ exitCode: 75 })
      expect(await kiln('analysis', 'run', 'fill.js', '--project', 'shop')).toMatchObject({
        exitCode: 75,
      })
      const waiting = startKiln(
        ['duckdb', 'query', 'shop', 'select max(total) as most from sales', '--wait', '1m'],
        options(),
      )
      await waitUntil('it waits', async () => {
        const { rows } = await pool.query(
          `select from analysis_database_users where state = 'asked'`,
        )
        return rows.length > 0
      })
      void waiting.exited.then(({ stdout }) => (answer = stdout))
    })
    await waitUntil('it has its answer', () => answer)
    expect(JSON.parse(answer)).toEqual([{ most: 0 }])
  })
  let answer = ''
})

describe('duckdb info and sizes', () => {
  it('tell of the file and of its tables', async () => {
    await kiln('analysis', 'run', 'fill.js', '--project', 'shop', '-p', 'rows=200000')
    expect(await json('duckdb', 'info', 'shop')).toMatchObject({
      project_id: 'shop',
      is_here: true,
      path: file(),
      size_bytes: statSync(file()).size,
      log_bytes: 0,
      duckdb_version: expect.stringMatching(/^v1\./) as string,
      users: [],
      waiting_jobs: 0,
      tables: [
        { schema: 'main', name: 'sales', rows_estimate: 200000, columns: 2 },
        { schema: 'main', name: 'empty', rows_estimate: 0, size_bytes: 0 },
      ],
      unread_reason: null,
    })
    const tables = (await json('duckdb', 'sizes', 'shop')) as {
      readonly items: readonly { readonly size_bytes: number }[]
    }
    expect(tables.items[0]?.size_bytes).toBeGreaterThan(200_000)
    expect(await json('duckdb', 'sizes')).toMatchObject({
      items: [{ project_id: 'shop', size_bytes: statSync(file()).size }],
    })
    expect((await kiln('duckdb', 'info', 'shop')).stdout).toMatch(/main\.sales: 200000 rows/)
    expect(await kiln('duckdb', 'info', 'nowhere')).toMatchObject({ exitCode: 66 })
    expect(await kiln('duckdb', 'sizes', 'nowhere')).toMatchObject({ exitCode: 66 })
  })
})

describe('project move', () => {
  it('takes the file along, and jobs run where it is', async () => {
    const target = path.join(folder.path, 'target')
    const moved = await json('project', 'move', 'shop', '--home', target, '--yes')
    expect(moved).toMatchObject({ project_id: 'shop', file_moved: true, path: file('target') })
    expect([existsSync(file()), existsSync(file('target'))]).toEqual([false, true])
    expect(statSync(file('target')).mode & 0o777).toBe(0o600)
    expect(await kiln('duckdb', 'query', 'shop', 'select 1')).toMatchObject({ exitCode: 78 })
    const here = await runKiln(
      ['duckdb', 'query', 'shop', 'select count(*) as n from sales'],
      options('target'),
    )
    expect(JSON.parse(here.stdout)).toEqual([{ n: 200000 }])
    expect(await kiln('analysis', 'run', 'fill.js', '--project', 'shop')).toMatchObject({
      exitCode: 78,
    })
    // A service of this data folder leaves the job where it is, and the job says why.
    const queued = await kiln('analysis', 'run', 'fill.js', '--project', 'shop', '--detach')
    const id = queued.stdout.trim()
    await kiln('serve-scheduler', '--no-http', '--once')
    const job = (await json('job', 'show', id)) as Record<string, unknown>
    expect(job).toMatchObject({ status: 'pending' })
    await runKiln(['serve-scheduler', '--no-http', '--once'], options('target'))
    expect(await json('job', 'show', id)).toMatchObject({ status: 'completed' })
    const { rows } = await pool.query<{ action: string }>(
      `select action from analysis_audit_log where action = 'project.move'`,
    )
    expect(rows).toHaveLength(1)
    expect(await json('project', 'move', 'shop', '--home', target)).toMatchObject({
      file_moved: false,
    })
  })

  it('makes no data folder of what may be a slip, and is not asked by what is one', async () => {
    const slip = path.join(folder.path, 'targte')
    const refused = await kiln('project', 'move', 'shop', '--home', slip)
    expect(refused).toMatchObject({ exitCode: 64, stdout: '' })
    expect(refused.stderr).toMatch(/targte, no data folder yet needs --yes/)
    expect(existsSync(slip)).toBe(false)
  })

  it.runIf(process.getuid?.() === 0)(
    'by root leaves nothing that the service cannot open',
    async () => {
      await json('analysis', 'create', 'fill.js', '--project', 'given')
      await json('analysis', 'run', 'fill.js', '--project', 'given')
      const home = path.join(folder.path, 'of-another')
      mkdirSync(home)
      chownSync(home, 12_345, 12_346)
      const moved = await json('project', 'move', 'given', '--home', home, '--yes')
      const file = (moved as { readonly path: string }).path
      const made = [file, path.dirname(file), path.dirname(path.dirname(file)), `${home}/folder-id`]
      expect(made.map((entry) => [statSync(entry).uid, statSync(entry).gid])).toEqual(
        made.map(() => [12_345, 12_346]),
      )
    },
  )

  it('moves once when two would move it, and the data is where the row says', async () => {
    await json('analysis', 'create', 'fill.js', '--project', 'twice')
    await json('analysis', 'run', 'fill.js', '--project', 'twice')
    const { rows: holds } = await pool.query<{ id: string }>(
      `insert into analysis_database_holds (id, project_id, database_use, purpose, granted_at)
       values (gen_random_uuid(), 'twice', 'read', 'a test', now())
       returning id`,
    )
    const moving = Promise.all(
      ['one', 'two'].map((name) =>
        kiln(
          'project',
          'move',
          'twice',
          '--home',
          path.join(folder.path, name),
          '--wait',
          '30s',
          '--yes',
        ),
      ),
    )
    await waitUntil('both wait for the database', async () => {
      const { rows } = await pool.query(
        `select from analysis_database_holds where granted_at is null`,
      )
      return rows.length === 2
    })
    await pool.query('delete from analysis_database_holds where id = $1', [holds[0]?.id])
    const moves = await moving
    expect(moves.map(({ exitCode }) => exitCode).toSorted((a, b) => (a ?? 0) - (b ?? 0))).toEqual([
      0, 78,
    ])
    const winner = moves[0]?.exitCode === 0 ? 'one' : 'two'
    const counted = await runKiln(
      ['duckdb', 'query', 'twice', 'select count(*) as n from sales'],
      options(winner),
    )
    expect(JSON.parse(counted.stdout)).toEqual([{ n: 1000 }])
  })

  it('gives up a file only when told twice', async () => {
    const home = path.join(folder.path, 'third')
    expect(await kiln('project', 'move', 'shop', '--home', home, '--yes')).toMatchObject({
      exitCode: 78,
    })
    const absent = ['nowhere', '--home', home, '--without-file', '--yes']
    expect(await kiln('project', 'move', ...absent)).toMatchObject({ exitCode: 66 })
    expect(existsSync(home)).toBe(false)
    expect(await kiln('project', 'move', 'shop', '--home', home, '--without-file')).toMatchObject({
      exitCode: 64,
    })
    expect(
      await json('project', 'move', 'shop', '--home', home, '--without-file', '--yes'),
    ).toMatchObject({ file_moved: false })
    expect(existsSync(file('target'))).toBe(true)
    expect(await kiln('project', 'move', 'nowhere', '--home', home)).toMatchObject({ exitCode: 66 })
    expect(await kiln('project', 'move', 'shop')).toMatchObject({ exitCode: 64 })
  })
})
