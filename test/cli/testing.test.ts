import { readFileSync, statSync } from 'node:fs'
import { mkdir, readFile, symlink, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { testsOutput } from '../../src/cli/views/testing.ts'
import { loadSettings } from '../../src/core/config/index.ts'
import { systemClock } from '../../src/core/os/index.ts'
import { makeFixtures } from '../../src/core/testing/fixtures.ts'
import { runTests } from '../../src/core/testing/index.ts'
import { descendantsOf } from '../support/descendants.ts'
import { openJobCommands } from '../support/job-commands.ts'
import { runKiln, startKiln } from '../support/kiln.ts'
import { type TemporaryFolder, createTemporaryFolder } from '../support/temporary-folder.ts'
import { waitUntil } from '../support/wait-until.ts'

let folder: TemporaryFolder
beforeAll(async () => {
  folder = await createTemporaryFolder('testing')
})
afterAll(() => folder.remove())

/** Files of one folder; values that are no text become JSON. */
async function put(name: string, files: Readonly<Record<string, unknown>>): Promise<string> {
  const place = path.join(folder.path, name)
  await mkdir(place, { recursive: true })
  for (const [file, content] of Object.entries(files)) {
    await mkdir(path.dirname(path.join(place, file)), { recursive: true })
    const text = typeof content === 'string' ? content : JSON.stringify(content)
    await writeFile(path.join(place, file), text)
  }
  return place
}

// Where no database answers: none is needed.
const env = { DATABASE_URL: 'postgresql://nobody@127.0.0.1:1/none' }
const test = (place: string, ...args: readonly string[]) =>
  runKiln(['test', place, ...args], { env, cwd: folder.path })

interface Report {
  readonly passed: number
  readonly failed: number
  readonly items: { name: string; outcome: string; problems: string[]; line: number | null }[]
}
const report = (stdout: string) => JSON.parse(stdout) as Report

const sums = `export const dependencies = { datasources: ['shop', 'rates'] }
export default async function (params, ctx) {
  ctx.log('summing')
  const rows = await ctx.datasource.shop.query(
    'select c.name, sum(o.amount) as total from orders o join customers c using (customer) group by 1 order by 1')
  const [{ rate }] = await ctx.datasource.rates.query('select rate from rates where day = $1', [params.day])
  await ctx.metadata.set('runs', (await ctx.metadata.get('runs')) + 1)
  return { rows, rate, runs: await ctx.metadata.get('runs') }
}
`
const data = {
  parameters: { day: '2026-01-01' },
  metadata: { runs: 4 },
  datasources: {
    shop: {
      orders: [
        { customer: 1, amount: 2 },
        { customer: 1, amount: 3 },
        { customer: 2, amount: 10 },
      ],
      customers: 'customers.csv',
    },
    rates: [{ day: '2026-01-01', rate: 1.5 }],
  },
}

describe('kiln test', () => {
  it('runs scripts over the data beside them, and tells which failed and where', async () => {
    const place = await put('all', {
      'sums.js': sums,
      'customers.csv': 'customer,name\n1,Ada\n2,Bob\n',
      'sums.test.json': {
        cases: [
          {
            ...data,
            name: 'adds up',
            expected: {
              rows: [
                { name: 'Ada', total: 5 },
                { name: 'Bob', total: 10 },
              ],
              rate: 1.5,
              runs: 5,
            },
          },
          { ...data, name: 'is wrong', expected: { rows: [], rate: 2 } },
        ],
      },
      'deep/fails.ts': 'export default (): number => {\n  throw new Error("no such day")\n}\n',
      'deep/fails.test.json': {
        cases: [
          { name: 'as expected', expected_error: { code: 'script_error', message: 'such day' } },
          { name: 'unexpected', expected: 1 },
        ],
      },
      'parent.js': `export const dependencies = { analyses: ['child'] }
        export default async (p, ctx) => (await ctx.runAnalysis('child', {})) + 1`,
      'parent.test.json': { analyses: { child: 41 }, expected: 42 },
      'broken.test.json': '{',
      'none.js': 'export default () => 1',
      'none.test.json': { cases: [] },
      'list.js': 'export default () => 1',
      'list.test.json': [],
      'lonely.test.json': { expected: 1 },
      'zone.js': 'export default () => 1',
      'zone.test.json': { timezone: 'Mars/Olympus', expected: 1 },
      'extra.js': 'export default () => 1',
      'extra.test.json': {
        datasources: { shop: { orders: { columns: { a: 'integer' }, rows: [{ b: 1 }] } } },
        expected: 1,
      },
      'lost.js': `export const dependencies = { datasources: ['gone'] }\nexport default () => 1`,
      'lost.test.json': { expected: 1 },
    })
    const junit = path.join(folder.path, 'report.xml')
    const summary = path.join(folder.path, 'summary.md')
    const { exitCode, stdout, stderr } = await runKiln(
      ['test', place, '--json', '--ci', 'github', '--junit', junit],
      { env: { ...env, GITHUB_STEP_SUMMARY: summary }, cwd: folder.path },
    )
    expect(exitCode).toBe(1)
    const { items, passed, failed } = report(stdout)
    expect(Object.fromEntries(items.map(({ name, problems }) => [name, problems]))).toEqual({
      'adds up': [],
      'is wrong': expect.arrayContaining([
        '$.rate: expected 2, got 1.5',
        '$.runs: not expected, got 5',
      ]),
      'as expected': [],
      unexpected: ['it failed with script_error: no such day'],
      parent: [],
      broken: [expect.stringContaining('is not JSON')],
      none: [expect.stringContaining('cases')],
      list: [expect.stringContaining('expected object, received array')],
      lonely: [expect.stringContaining('there is no script')],
      zone: [expect.stringContaining('expected a time zone such as "Europe/Berlin"')],
      extra: [expect.stringContaining('"orders" has a row with "b", which is none of its columns')],
      lost: [expect.stringContaining('no data for the datasource "gone"')],
    })
    expect([passed, failed]).toEqual([3, 9])
    expect(items.find(({ name }) => name === 'unexpected')?.line).toBe(2)

    expect(stderr).toMatch(
      /^::error file=all\/deep\/fails.ts,line=2,title=deep\/fails.test.json%3A unexpected::it failed/m,
    )
    expect(await readFile(summary, 'utf8')).toContain('### kiln test: 3 passed, 9 failed')
    const xml = await readFile(junit, 'utf8')
    expect(xml).toContain('<testsuite name="kiln test" tests="12" failures="9" errors="0"')
    expect(xml).toContain('<system-out>info  summing</system-out>')
  })

  it('prints as it goes, and ends with 0 when all pass', async () => {
    const place = await put('fine', {
      'now.js': 'export default (p, ctx) => ctx.now',
      'now.test.json': { now: '2026-03-01T00:00:00Z', expected: '2026-03-01T00:00:00.000Z' },
    })
    const { exitCode, stdout, stderr } = await test(place)
    expect({ exitCode, stdout }).toEqual({ exitCode: 0, stdout: '1 passed, 0 failed\n' })
    expect(stderr).toMatch(/^ok {4}now {2}\d+ ms$/m)
    // A pipeline with a slip in it must not be green for ever.
    expect(await test(place, '--filter', 'nothing')).toMatchObject({ exitCode: 66, stdout: '' })
  })

  it('shows nothing raw that could drive a terminal, and stays XML', async () => {
    const place = await put('odd', {
      'odd.js': String.raw`export default () => { throw new Error('a<&]]>\u001b[31m\nb') }`,
      'odd.test.json': { name: '<x>&"\u0001', expected: 1 },
    })
    const junit = path.join(folder.path, 'odd.xml')
    const { stderr } = await test(place, '--ci', 'github', '--junit', junit)
    const controls = (text: string) => text.split('').filter((one) => one < ' ' && one !== '\n')
    expect(controls(stderr)).toEqual([])
    expect(stderr).toMatch(/^ {6}b$/m)
    const xml = await readFile(junit, 'utf8')
    expect(controls(xml)).toEqual([])
    expect(xml).not.toMatch(/&(?!\w+;|#\d+;)/)
  })

  it('runs what is linked, reads what Windows wrote, and refuses two scripts of one name', async () => {
    const place = await put('kinds', {
      'a.js': 'export default () => ({ a: 1, b: [0.1 + 0.2] })',
      'a.test.json': '\uFEFF{"expected": {"b": [0.30000000000000004], "a": 1}}',
      'close.js': 'export default () => 0.1 + 0.2',
      'close.test.json': { expected: 0.3 },
      'deep/b.js': 'export default () => 2',
      'two.js': 'export default () => 1',
      'two.ts': 'export default () => 2',
      'two.test.json': { expected: 2 },
    })
    await symlink('../a.test.json', path.join(place, 'deep/b.test.json'))
    await symlink('nowhere', path.join(place, 'deep/gone.test.json'))
    await symlink('..', path.join(place, 'deep/round'))
    const { exitCode, stdout } = await test(place, '--json')
    expect(exitCode).toBe(1)
    expect(report(stdout).items).toMatchObject([
      { name: 'a', outcome: 'passed' },
      { name: 'close', problems: ['$: expected 0.3, got 0.30000000000000004'] },
      {
        file: 'deep/b.test.json',
        problems: expect.arrayContaining([expect.stringMatching(/got 2/)]),
      },
      { file: 'deep/gone.test.json', outcome: 'failed' },
      { name: 'two', problems: [expect.stringMatching(/^both .*two.ts and .*two.js have/)] },
    ])
  })

  it('lets no script command the pipeline that runs it', async () => {
    const words = '::stop-commands::x\\n  ::error::y\\n##[error]z'
    const place = await put('commanding', {
      'a.js': `export default (p, ctx) => { ctx.log('l\\n${words}'); throw new Error('e\\n${words}') }`,
      'a.test.json': { expected: 1 },
    })
    const { stderr } = await test(place, '--ci', 'github')
    expect(stderr.match(/stop-commands/g)?.length).toBeGreaterThan(2)
    const obeyed = stderr.split('\n').filter((line) => /^\s*::|##\[/.test(line))
    expect(obeyed).toEqual([expect.stringMatching(/^::error file=.*a\.js,.*%0A/)])
  })

  it('has tables without rows, and a defect that one case meets is the outcome of that one', async () => {
    const counting = (table: string) => `export const dependencies = { datasources: ['shop'] }
      export default async (p, ctx) =>
        (await ctx.datasource.shop.query('select count(*) as n, sum(amount) as total from ${table}'))[0]`
    const none = { columns: { amount: 'decimal(10, 2)', at: 'timestamp' }, rows: [] }
    const two = { ...none, rows: [{ amount: 0.1 }, { amount: 0.2, at: '2026-01-01 00:00:00' }] }
    const place = await put('typed', {
      'one.js': counting('shop'),
      'one.test.json': { datasources: { shop: none }, expected: { n: 0, total: null } },
      'some.js': counting('orders'),
      'some.test.json': {
        cases: [
          { datasources: { shop: { orders: none } }, expected: { n: 0, total: null } },
          { datasources: { shop: { orders: two } }, expected: { n: 2, total: 0.3 } },
        ],
      },
    })
    let asked = 0
    const now = (): number => {
      asked += 1
      if (asked === 2) throw new TypeError('the clock is broken')
      return systemClock.now()
    }
    const { settings } = loadSettings({ environment: {}, folder: place })
    const { signal } = new AbortController()
    const reports = await runTests(
      { settings, clock: { ...systemClock, now }, signal },
      { folder: place },
    )
    expect(reports).toMatchObject([
      { name: 'one', outcome: 'passed', problems: [] },
      { name: 'some 1', outcome: 'error', problems: ['the clock is broken'] },
      { name: 'some 2', outcome: 'passed', problems: [] },
    ])
    expect(testsOutput(reports)).toMatchObject({
      lines: ['2 passed, 0 failed, 1 with errors'],
      summary: { errors: 1 },
      exitCode: 1,
    })
  })

  it('makes data that the account of DuckDB may read, whatever the umask is', async () => {
    const place = await put('fixtures', { 'beside.csv': 'a\n1\n' })
    const before = process.umask(0o077)
    try {
      const sources = await makeFixtures(
        { shop: { orders: [{ a: 1 }] }, rows: [{ a: 1 }], file: 'beside.csv' },
        { folder: place, testFolder: place, signal: new AbortController().signal },
      )
      for (const source of sources.values()) {
        const made =
          source.type === 'duckdb'
            ? source.path
            : (source as { files?: readonly string[] }).files?.[0]
        expect(statSync(String(made)).mode & 0o004).toBe(0o004)
        for (let up = path.dirname(String(made)); up !== place; up = path.dirname(up)) {
          expect(statSync(up).mode & 0o001).toBe(0o001)
        }
      }
      expect(sources.size).toBe(3)
    } finally {
      process.umask(before)
    }
  })

  it('refuses a folder that is not there, or has no tests', async () => {
    expect((await test(path.join(folder.path, 'nowhere'))).exitCode).toBe(66)
    const empty = await put('empty', { 'a.js': '' })
    expect((await test(empty)).exitCode).toBe(66)
    const file = await test(path.join(empty, 'a.js'))
    expect(file).toMatchObject({ exitCode: 74, stderr: expect.stringContaining('is a file') })
  })
})

describe('--ci and --junit', () => {
  it('of validate name file, line and column of what is wrong', async () => {
    const place = await put('invalid', {
      'good.js': 'export default () => 1',
      'bad.js': 'export default (',
    })
    const junit = path.join(place, 'report.xml')
    const args = ['bad.js', 'good.js'].map((name) => path.join(place, name))
    const run = await runKiln(
      ['analysis', 'validate', ...args, '--ci', 'github', '--junit', junit],
      { env, cwd: folder.path },
    )
    expect(run.exitCode).toBe(1)
    expect(run.stderr).toMatch(/^::error file=\S*bad.js,line=1,col=\d+,title=.*SyntaxError/m)
    expect(await readFile(junit, 'utf8')).toContain('tests="2" failures="1" errors="0"')
  })

  it('of run and wait tell what became of the job, and that there is none', async () => {
    const jobs = await openJobCommands()
    try {
      const script = await jobs.script('fails.js', 'export default () => { throw new Error("no") }')
      const junit = path.join(folder.path, 'run.xml')
      const flags = ['--ci', 'github', '--junit', junit]
      const run = await jobs.run(['analysis', 'run', script, ...flags])
      expect(run.exitCode).toBe(20)
      expect(run.stderr).toMatch(
        /^::error title=default.fails%3A \S+::job \S+ failed, script_error/m,
      )
      expect(await readFile(junit, 'utf8')).toContain('failures="1" errors="0"')
      const [job] = await jobs.sql('select id from analysis_jobs')
      const wait = await jobs.run(['job', 'wait', String(job?.id), ...flags])
      expect(wait.exitCode).toBe(20)
      expect(wait.stderr).toMatch(/^::error title=/m)
      const none = await jobs.run(['analysis', 'run', 'nothing', '--json', ...flags])
      expect(none.exitCode).toBe(66)
      expect(await readFile(junit, 'utf8')).toContain('failures="0" errors="1"')
      const late = await jobs.run(['job', 'wait', await jobs.add(), '--timeout', '1ms', ...flags])
      expect(late.exitCode).toBe(124)
      const report = await readFile(junit, 'utf8')
      expect(report).toContain('<testsuite name="kiln job wait" tests="1" failures="0" errors="1"')
      expect(report).toContain('[WAIT_TIMEOUT]')

      // What a script returns commands nobody either, on the stream that the runner reads as well.
      const rows = await jobs.script('rows.js', 'export default () => [{ a: "::add-mask::x" }]')
      const csv = await jobs.run(['analysis', 'run', rows, '-o', 'csv', ...flags])
      expect(csv).toMatchObject({ exitCode: 0, stdout: 'a\n: :add-mask::x\n' })
      const plain = await jobs.run(['analysis', 'run', rows, '-o', 'csv'])
      expect(plain.stdout).toBe('a\n::add-mask::x\n')
    } finally {
      await jobs.close()
    }
  })

  it('of what could not be done, or was ended, leave no report of another day', async () => {
    const junit = path.join(folder.path, 'ended.xml')
    const read = (): string => readFileSync(junit, 'utf8')
    const flags = ['--junit', junit]
    expect((await test(path.join(folder.path, 'nowhere'), ...flags)).exitCode).toBe(66)
    expect(read()).toContain('<testsuite name="kiln test" tests="1" failures="0" errors="1"')
    const validate = ['analysis', 'validate', '-', ...flags]
    expect((await runKiln([...validate, '--project', 'p'], { env })).exitCode).toBe(69)
    expect(read()).toContain('[DATABASE_CONNECTION_FAILED]')

    const place = await put('endless', {
      'a.js': 'export default () => 1',
      'a.test.json': { expected: 1 },
      'b.js': 'export default () => { for (;;); }',
      'b.test.json': { expected: 1 },
    })
    const testing = startKiln(['test', place, ...flags], { env })
    await testing.waitForOutput(/^ok {4}a/m)
    testing.kill('SIGTERM')
    expect((await testing.exited).exitCode).toBe(143)
    expect(read()).toContain('<testsuite name="kiln test" tests="2" failures="0" errors="1"')
    expect(read()).toContain('[TERMINATED]')

    // Nobody writes to its input, or ends it.
    const reading = startKiln(validate, { env })
    await waitUntil('its sandbox is there', () =>
      descendantsOf(reading.pid).some((pid) => commandLineOf(pid).includes('sandbox.js')),
    )
    reading.kill('SIGTERM')
    expect((await reading.exited).exitCode).toBe(143)
    expect(read()).toContain('<testsuite name="kiln analysis validate" tests="1"')
    expect(read()).toContain('[TERMINATED]')
  })

  it('go with no run that is not waited for', async () => {
    for (const flag of ['--timeout=1m', '--ci=github', '--junit=x']) {
      const { exitCode, stderr } = await runKiln(['analysis', 'run', 'a', '--detach', flag], {
        env,
      })
      expect({ exitCode, stderr }).toEqual({
        exitCode: 64,
        stderr: expect.stringMatching(/^error: --\w+ and --\w+ exclude each other .*\nhint: /),
      })
    }
  })
})

function commandLineOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8')
  } catch {
    // It ended while we looked.
    return ''
  }
}
