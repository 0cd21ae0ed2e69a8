import { existsSync, readFileSync, readdirSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import { type TestDatabase, createTestDatabase } from '../support/database.ts'
import { descendantsOf, survivors } from '../support/descendants.ts'
import { type KilnOptions, type KilnResult, runKiln, startKiln } from '../support/kiln.ts'
import { type TemporaryFolder, createTemporaryFolder } from '../support/temporary-folder.ts'
import { waitUntil } from '../support/wait-until.ts'

let database: TestDatabase
let folder: TemporaryFolder
let client: pg.Client
let options: KilnOptions
beforeAll(async () => {
  database = await createTestDatabase()
  folder = await createTemporaryFolder('run')
  client = new pg.Client(database.connectionString)
  await client.connect()
  options = {
    cwd: folder.path,
    env: {
      DATABASE_URL: database.connectionString,
      ANALYSIS_DATA_DIR: path.join(folder.path, 'data'),
    },
  }
  for (const [name, text] of Object.entries(scripts)) {
    writeFileSync(path.join(folder.path, `${name}.js`), text)
  }
})
afterAll(async () => {
  await client.end()
  await database.drop()
  await folder.remove()
})

const typed = `
  export const parameters = {
    n: { type: 'number', default: 1 },
    flag: { type: 'boolean', default: false },
    list: { type: 'array', default: [] },
    text: { type: 'string', default: '' },
  }
  export default (p) => p`
const scripts = {
  good: `export default (p, ctx) => { ctx.log('a line of the log'); return { answer: 42 } }`,
  typed,
  required: `export const parameters = { n: { type: 'number', required: true } }
    export default (p) => p.n`,
  throws: `export default () => {\n  const rows = []\n  return rows[0].name\n}`,
  loop: 'export const limits = { timeoutSeconds: 0.5 }\nexport default () => { while (true) {} }',
  wait: 'export const limits = { timeoutSeconds: 0.5 }\nexport default () => new Promise(() => {})',
  bomb: 'export default () => { const all = []; for (;;) all.push(new Array(1e6).fill(1)) }',
  circle: 'export default () => { const a = { b: {} }; a.b.c = a; return a }',
  broken: 'export default () => {\n  return (\n}',
  'no-run': 'const a = 1',
  forever: `export default async (p, ctx) => {
    await ctx.duckdb.query('select 1')
    await ctx.metadata.set('begun', true)
    while (true) {}
  }`,
  large: `export default () => ({ text: 'ü'.repeat(200000), odd: 'a\\u0000b\\ud83d' })`,
}

const run = (args: readonly string[], more: KilnOptions = {}) =>
  runKiln(['analysis', 'run', ...args], {
    ...options,
    ...more,
    env: { ...options.env, ...more.env },
  })
const countJobs = async () => {
  const { rows } = await client.query<{ count: string }>('select count(*) from analysis_jobs')
  return Number(rows[0]?.count)
}

interface ErrorReport {
  error: {
    code: string
    message: string
    exit_code: number
    retryable: boolean
    hint: string | null
    details?: { job_id?: string; error_code?: string; jobs?: { id: string }[] }
  }
}
const errorOf = (result: KilnResult) => {
  const lines = result.stderr.trim().split('\n')
  return (JSON.parse(lines.at(-1) ?? '') as ErrorReport).error
}

describe('exit codes', () => {
  it.each<[string, number, string, string[], Record<string, string>?]>([
    ['a script that throws', 20, 'JOB_FAILED', ['throws.js']],
    ['a result that is no JSON', 20, 'JOB_FAILED', ['circle.js']],
    ['an endless loop', 22, 'JOB_LIMIT', ['loop.js']],
    ['an endless wait', 22, 'JOB_LIMIT', ['wait.js']],
    ['a memory bomb', 22, 'JOB_LIMIT', ['bomb.js']],
    ['a limit by --timeout', 22, 'JOB_LIMIT', ['forever.js', '--timeout', '500ms']],
    ['an unknown flag', 64, 'USAGE', ['good.js', '--nonsense']],
    ['no analysis', 64, 'USAGE', []],
    ['a parameter without =', 64, 'USAGE', ['typed.js', '-p', 'n']],
    ['two ways of waiting', 64, 'USAGE', ['good.js', '--queue', '--detach']],
    ['a wrong type', 65, 'PARAMETER_INVALID', ['typed.js', '-p', 'n=many']],
    ['an unknown parameter', 65, 'PARAMETER_INVALID', ['typed.js', '-p', 'm=1']],
    ['a missing parameter', 65, 'PARAMETER_INVALID', ['required.js']],
    ['a script that does not parse', 1, 'ANALYSIS_INVALID', ['broken.js']],
    ['a script without a run', 1, 'ANALYSIS_INVALID', ['no-run.js']],
    ['a missing file', 66, 'FILE_NOT_FOUND', ['./nothing.js']],
    ['an unknown name', 66, 'ANALYSIS_NOT_FOUND', ['nothing']],
    ['an unknown id', 66, 'ANALYSIS_NOT_FOUND', ['00000000-0000-4000-8000-000000000000']],
    [
      'an unreachable database',
      69,
      'DATABASE_CONNECTION_FAILED',
      ['good.js'],
      { DATABASE_URL: 'postgresql://kiln:canary-7@127.0.0.1:1/kiln' },
    ],
  ])('%s ends with %i, with and without --json', async (_name, exitCode, code, args, env) => {
    const [text, json] = await Promise.all([
      run(args, env ? { env } : {}),
      run([...args, '--json'], env ? { env } : {}),
    ])
    expect({ text: text.exitCode, json: json.exitCode }).toEqual({ text: exitCode, json: exitCode })
    expect(errorOf(json)).toMatchObject({
      code,
      message: expect.stringMatching(/\S/) as string,
      exit_code: exitCode,
      retryable: exitCode === 69,
    })
    expect(errorOf(json)).toHaveProperty('hint')
    if (json.stdout !== '') expect(JSON.parse(json.stdout)).toMatchObject({ status: 'failed' })
    expect(text.stdout.trim()).toBe('')
    // One to three lines, after what was stored on the way; never a stack or a secret of ours.
    const lines = text.stderr
      .trim()
      .split('\n')
      .filter((line) => !line.startsWith('created analysis'))
    expect(lines.length).toBeLessThanOrEqual(3)
    expect(lines.find((line) => line.startsWith('error: '))).toContain(`[${code}]`)
    expect(text.stderr + json.stderr + json.stdout).not.toMatch(
      /node:internal|canary-7|src\/|dist\//,
    )
  })

  it('refuses a disabled analysis, here and for the queue', async () => {
    await client.query(
      `insert into analyses (title, script_content, is_active) values ('off', '${scripts['no-run']}', false)`,
    )
    const before = await countJobs()
    for (const flags of [[], ['--detach']]) {
      const result = await run(['off', ...flags, '--json'])
      expect(result).toMatchObject({ exitCode: 65, stdout: '' })
      expect(errorOf(result)).toMatchObject({ code: 'ANALYSIS_INACTIVE' })
    }
    expect(await countJobs()).toBe(before)
  })

  it('keeps the codes of limits and script errors on the job', async () => {
    const codes: Record<string, string | undefined> = {}
    for (const name of ['loop', 'bomb', 'throws', 'circle']) {
      const { details, message } = errorOf(await run([`${name}.js`, '--json']))
      const { rows } = await client.query<{ error_code: string; error_message: string }>(
        'select error_code, error_message from analysis_jobs where id = $1',
        [details?.job_id],
      )
      codes[name] = rows[0]?.error_code
      expect(message).toContain(rows[0]?.error_message)
      if (name === 'throws') expect(message).toContain('(line 3, column 18)')
      if (name === 'circle') expect(message).toContain('result.b.c')
    }
    expect(codes).toEqual({
      loop: 'timeout',
      bomb: 'memory_limit',
      throws: 'script_error',
      circle: 'result_not_serializable',
    })
  })
})

describe('output', () => {
  it('is the result alone; the log goes to stderr, nothing with -q', async () => {
    const plain = await run(['good.js'])
    expect(plain).toMatchObject({ exitCode: 0 })
    expect(JSON.parse(plain.stdout)).toEqual({ answer: 42 })
    expect(plain.stderr).toContain('a line of the log')
    expect(await run(['good.js', '-q'])).toMatchObject({ exitCode: 0, stderr: '' })
    const json = await run(['good.js', '--json'])
    expect(JSON.parse(json.stdout)).toMatchObject({ status: 'completed', result: { answer: 42 } })
  })

  it('of a large result with odd text reads back equal, and damage is found', async () => {
    const ran = await run(['large.js', '--json'])
    const job = JSON.parse(ran.stdout) as { id: string; result: unknown }
    expect(job.result).toEqual({ text: 'ü'.repeat(200_000), odd: 'a\u0000b\ud83d' })
    const read = () => runKiln(['job', 'result', job.id], options)
    expect(JSON.parse((await read()).stdout)).toEqual(job.result)

    const { rows } = await client.query<{ storage_path: string }>(
      'select storage_path from analysis_result_storage where job_id = $1',
      [job.id],
    )
    const file = path.join(folder.path, 'data', rows[0]?.storage_path ?? '')
    writeFileSync(file, 'damaged')
    expect(await read()).toMatchObject({ exitCode: 74, stdout: '' })
  })
})

describe('parameters', () => {
  it('are read by their declared types', async () => {
    const args = ['-p', 'n=2.5', '-p', 'flag=true', '-p', 'list=[1,"a"]', '-p', 'text=7']
    const { stdout, exitCode } = await run(['typed.js', ...args])
    expect(exitCode).toBe(0)
    expect(JSON.parse(stdout)).toEqual({ n: 2.5, flag: true, list: [1, 'a'], text: '7' })
  })

  it('come from a file or standard input, and flags go first', async () => {
    writeFileSync(path.join(folder.path, 'params.json'), '{"n": 3, "text": "file"}')
    const file = await run(['typed.js', '--params', 'params.json', '-p', 'n=4'])
    expect(JSON.parse(file.stdout)).toMatchObject({ n: 4, text: 'file' })
    const input = await run(['typed.js', '--params', '-'], { input: '{"n": 5}' })
    expect(JSON.parse(input.stdout)).toMatchObject({ n: 5 })
  })

  it.each([
    ['no JSON', '{"n": }', 65],
    ['no object', '[1]', 65],
    ['a wrong type', '{"n": "5"}', 65],
    ['text that Postgres cannot hold', '{"text": "a\\u0000b"}', 65],
  ])('with %s end the command before there is a job', async (_name, text, exitCode) => {
    const before = await countJobs()
    const result = await run(['typed.js', '--params', '-', '--json'], { input: text })
    expect(result).toMatchObject({ exitCode, stdout: '' })
    expect(await countJobs()).toBe(before)
  })

  it('from a file that is missing end with 66', async () => {
    expect(await run(['typed.js', '--params', 'nothing.json'])).toMatchObject({ exitCode: 66 })
  })
})

describe('the queue', () => {
  it('gives the id alone with --detach', async () => {
    const result = await run(['good.js', '--detach', '-q', '-o', 'name'])
    expect(result.stdout).toMatch(/^[0-9a-f-]{36}\n$/)
    const { rows } = await client.query('select status from analysis_jobs where id = $1', [
      result.stdout.trim(),
    ])
    expect(rows).toEqual([{ status: 'pending' }])
    await client.query('delete from analysis_jobs where id = $1', [result.stdout.trim()])
  })

  it('runs a job in a service, and gives up waiting with 124 while the job goes on', async () => {
    const late = await run(['good.js', '--queue', '--timeout', '100ms', '--json'])
    expect(late).toMatchObject({ exitCode: 124, stdout: '' })
    const jobId = errorOf(late).details?.jobs?.[0]?.id
    const waiting = startKiln(['analysis', 'run', 'good.js', '--queue'], options)
    onTestFinished(() => waiting.kill('SIGKILL'))
    await waiting.waitForOutput(/queued as job/)
    const service = await runKiln(['serve-scheduler', '--once', '--no-http', '--json'], options)
    expect(JSON.parse(service.stdout)).toMatchObject({ completed: 2 })
    const { exitCode, stdout } = await waiting.exited
    expect({ exitCode, result: JSON.parse(stdout) as unknown }).toEqual({
      exitCode: 0,
      result: { answer: 42 },
    })
    const { rows } = await client.query('select status from analysis_jobs where id = $1', [jobId])
    expect(rows).toEqual([{ status: 'completed' }])
  })

  it('ends with 21 when the job is cancelled', async () => {
    const waiting = startKiln(['analysis', 'run', 'good.js', '--queue', '--json'], options)
    onTestFinished(() => waiting.kill('SIGKILL'))
    const [, jobId] = await waiting.waitForOutput(/queued as job (\S+);/)
    await client.query(`update analysis_jobs set status = 'cancelled' where id = $1`, [jobId])
    expect(await waiting.exited).toMatchObject({ exitCode: 21 })
  })

  it('goes on after Ctrl-C on who waits', async () => {
    const waiting = startKiln(['analysis', 'run', 'good.js', '--queue'], options)
    const [, jobId] = await waiting.waitForOutput(/queued as job (\S+);/)
    waiting.kill('SIGINT')
    expect(await waiting.exited).toMatchObject({ exitCode: 130 })
    const { rows } = await client.query('select status from analysis_jobs where id = $1', [jobId])
    expect(rows).toEqual([{ status: 'pending' }])
    await client.query('delete from analysis_jobs where id = $1', [jobId])
  })
})

describe('a signal', () => {
  it.each([
    ['SIGINT', 130],
    ['SIGTERM', 143],
  ] as const)('%s cancels the job that runs here and leaves nothing', async (signal, exitCode) => {
    await client.query('delete from analysis_metadata')
    const kiln = startKiln(['analysis', 'run', 'forever.js', '--json'], options)
    onTestFinished(() => kiln.kill('SIGKILL'))
    await begun()
    const children = descendantsOf(kiln.pid)
    expect(children.length).toBeGreaterThanOrEqual(2)
    kiln.kill(signal)
    const result = await kiln.exited
    expect(result).toMatchObject({ exitCode })
    expect(JSON.parse(result.stdout)).toMatchObject({ status: 'cancelled', result: null })
    expect(errorOf(result)).toMatchObject({ exit_code: exitCode })
    const { rows } = await client.query(
      `select status, error_code, lease_token from analysis_jobs order by created_at desc limit 1`,
    )
    expect(rows).toEqual([{ status: 'cancelled', error_code: 'cancelled', lease_token: null }])
    expect(survivors(children)).toEqual([])
    expect(jobFolders()).toEqual([])
  })
})

describe('a sandbox that is killed', () => {
  it.each(['innermost', 'outermost'] as const)(
    'by its %s process ends the command with 20, which says so',
    async (place) => {
      await client.query('delete from analysis_metadata')
      const kiln = startKiln(['analysis', 'run', 'forever.js', '--json'], options)
      onTestFinished(() => kiln.kill('SIGKILL'))
      await begun()
      for (const pid of sandboxesOf(kiln.pid, place)) process.kill(pid, 'SIGKILL')
      const result = await kiln.exited
      expect(result).toMatchObject({ exitCode: 20, signal: null })
      expect(JSON.parse(result.stdout)).toMatchObject({
        status: 'failed',
        error_code: 'sandbox_crashed',
      })
      expect(errorOf(result)).toMatchObject({
        code: 'JOB_FAILED',
        exit_code: 20,
        message: expect.stringContaining(
          'failed, sandbox_crashed: the sandbox process broke: signal SIGKILL',
        ) as string,
      })
    },
  )
})

/** Of each sandbox, the spare too, the process that runs scripts or the first one around it. */
function sandboxesOf(kilnPid: number, place: 'innermost' | 'outermost'): readonly number[] {
  const isSandbox = (pid: number): boolean =>
    readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes('--no-node-snapshot')
  const all = descendantsOf(kilnPid).filter(isSandbox)
  const inner = new Set(all.flatMap((pid) => descendantsOf(pid)))
  return place === 'outermost'
    ? all.filter((pid) => !inner.has(pid))
    : all.filter((pid) => descendantsOf(pid).length === 0)
}

const begun = () =>
  waitUntil('the script runs', async () => {
    const { rows } = await client.query('select from analysis_metadata')
    return rows.length > 0
  })

const jobFolders = () => {
  const jobs = path.join(folder.path, 'data/jobs')
  return existsSync(jobs) ? readdirSync(jobs) : []
}
