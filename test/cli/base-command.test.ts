/** Traps of the command framework, and what every command promises. */
import { spawnSync } from 'node:child_process'
import { readFileSync, symlinkSync } from 'node:fs'
import path from 'node:path'
import { PassThrough } from 'node:stream'
import { text } from 'node:stream/consumers'
import { Config } from '@oclif/core/config'
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import { showHelp } from '../../src/cli/show-help.ts'
import { type TestDatabase, createTestDatabase, secretSettings } from '../support/database.ts'
import { type KilnOptions, runKiln, startKiln } from '../support/kiln.ts'
import { type TemporaryFolder, createTemporaryFolder } from '../support/temporary-folder.ts'

const root = path.resolve(import.meta.dirname, '../..')
const kiln = path.join(root, 'bin/kiln')
const canary = 'canary-5f2c'

let database: TestDatabase
let folder: TemporaryFolder
let options: KilnOptions
let url: string
beforeAll(async () => {
  database = await createTestDatabase()
  folder = await createTemporaryFolder('base')
  const env = secretSettings(database.connectionString, canary)
  url = env.DATABASE_URL
  options = { cwd: folder.path, env }
  const client = new pg.Client(database.connectionString)
  await client.connect()
  await client.query(`insert into analyses (title, script_content) values ('a', '')`)
  await client.query(
    `insert into analysis_jobs (analysis_id, status)
     select id, 'completed' from analyses, generate_series(1, 1000)`,
  )
  await client.end()
})
afterAll(async () => {
  await database.drop()
  await folder.remove()
})

/** A line of shell with `kiln` on its path. */
function shell(line: string) {
  const { status, stdout, stderr } = spawnSync('bash', ['-c', line], {
    cwd: folder.path,
    encoding: 'utf8',
    maxBuffer: 100 * 1024 ** 2,
    env: {
      PATH: `${path.join(root, 'bin')}:${process.env.PATH}`,
      HOME: folder.path,
      DATABASE_URL: url,
    },
  })
  return { status, stdout, stderr }
}

describe('in a pipe', () => {
  it('a command in a `while read` loop leaves the loop its input', () => {
    const { stdout } = shell(
      'kiln job list --limit 3 -o name -q | while read id; do kiln job show $id -o name; done',
    )
    expect(stdout.trim().split('\n')).toHaveLength(3)
  })

  it('nor is an argument that was left out taken from there', () => {
    const loop = (line: string) =>
      shell(`printf 'first\\nnext\\n' | { read -r id; kiln ${line}; echo "$? $(cat)"; }`).stdout
    for (const line of ['job show', 'analysis run', 'cleanup no', 'duckdb query p']) {
      expect(loop(line)).toMatch(/^64 next\n$/)
    }
  })

  it.each([
    ['a table', 'job list --limit 1000 -o table'],
    ['lines of JSON', 'job list --limit 1000 -o jsonl'],
    ['CSV', 'job list --limit 1000 -o csv'],
    ['a text', 'completion fish -o table'],
  ])('`| head -1` of %s that no pipe holds is success under pipefail', (_, line) => {
    const { status, stdout, stderr } = shell(`set -o pipefail; kiln ${line} -q | head -1`)
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
    expect(stdout).toMatch(/^.+\n$/)
  })

  it('a slow reader gets everything', () => {
    const { status, stdout } = shell(
      'set -o pipefail; kiln job list --limit 400 --json | (sleep 0.3; cat)',
    )
    expect(status).toBe(0)
    expect(stdout.length).toBeGreaterThan(65_536)
    expect((JSON.parse(stdout) as { items: unknown[] }).items).toHaveLength(400)
  })

  it('output has no colours, also when they are asked for and refused', () => {
    const escape = String.fromCodePoint(27)
    for (const prefix of ['', 'FORCE_COLOR=0 ', 'NO_COLOR=1 TERM=xterm-256color ']) {
      const { stdout, stderr } = shell(`${prefix}kiln job list --limit 3; kiln job nothing`)
      expect(stdout).not.toContain(escape)
      expect(stderr).not.toContain(escape)
    }
  })

  it('closed standard streams are no failure', () => {
    expect(shell('kiln job list --limit 1 -o name -q <&-')).toMatchObject({ status: 0, stderr: '' })
    expect(shell('kiln job list --limit 1 -q >&-').status).toBe(0)
    expect(shell('kiln job list --limit 1 2>&-').status).toBe(0)
  })

  it('a full device is a failure', () => {
    for (const line of ['job list --limit 1 --json', 'job list', '--help', '--version']) {
      expect(shell(`kiln ${line} > /dev/full`).status, line).toBe(74)
    }
  })

  it('remarks and log lines that nobody can read change no outcome', () => {
    const script = `echo 'export default (p, ctx) => { ctx.log("a"); return 1 }' > logs.js`
    for (const stderr of ['> /dev/full', '>&-', '> >(exit 0)']) {
      const run = shell(`${script}; kiln analysis run logs.js --json 2${stderr}`)
      expect(run.status, stderr).toBe(0)
      expect(JSON.parse(run.stdout)).toMatchObject({ status: 'completed', result: 1 })
      expect(shell(`kiln job nothing 2${stderr}`).status, stderr).toBe(64)
    }
  })

  it('a service whose log nobody can write any more goes on with its jobs', () => {
    const queue = 'kiln analysis run logs.js --detach -o name'
    for (const stderr of ['> /dev/full', '> >(exit 0)']) {
      const { status, stdout } = shell(
        `id=$(${queue}); kiln serve-scheduler --no-http --once 2${stderr}; code=$?
         kiln job show $id --json; exit $code`,
      )
      const [, shown = ''] = /(\{.*\})\n$/.exec(stdout) ?? []
      expect({ status, job: JSON.parse(shown) as unknown }, stderr).toMatchObject({
        status: 0,
        job: { status: 'completed' },
      })
    }
  })
})

describe('a wrong command line', () => {
  it.each([
    [['job', 'list', '--nonsense', '--json']],
    [['job', 'list', '--json', '--limit', 'many']],
    [['job', 'show', '--json']],
    [['job', 'list', '-o', 'json', '--nonsense']],
    [['job', 'list', '-ojson', '--nonsense']],
    [['job', 'list', '--output=json', 'surplus']],
    [['job', 'nothing', '--json']],
  ])('%j prints one error of ours as JSON and nothing of the environment', async (args) => {
    const result = await runKiln(args, options)
    expect(result).toMatchObject({ exitCode: 64, stdout: '' })
    const report = JSON.parse(result.stderr) as { error: object }
    expect(Object.keys(report)).toEqual(['error'])
    expect(report.error).toMatchObject({ code: 'USAGE', exit_code: 64, retryable: false })
    expect(result.stderr).not.toContain(canary)
    expect(result.stderr.length).toBeLessThan(600)
  })

  it('repeats no password that was typed in a wrong place', async () => {
    for (const word of [url, `postgresql:///db?password=${canary}`]) {
      for (const format of [[], ['--json']]) {
        const result = await runKiln(['job', 'show', word, ...format], options)
        expect(result.exitCode).toBe(64)
        expect(result.stdout + result.stderr).not.toContain(canary)
      }
    }
  })

  it('of a topic alone, or nothing, shows help on stderr and ends with 64', async () => {
    for (const args of [['job'], []]) {
      const result = await runKiln(args, options)
      expect(result).toMatchObject({ exitCode: 64, stdout: '' })
      expect(result.stderr).toContain('USAGE')
      expect(result.stderr).toContain('error: ')
    }
  })

  it('suggests what was meant', async () => {
    const result = await runKiln(['job', 'lst'], options)
    expect(result).toMatchObject({ exitCode: 64, stdout: '' })
    expect(result.stderr).toContain('kiln job list')
  })
})

describe('help and version', () => {
  it.each([['--version'], ['-V'], ['version']])('%s', async (flag) => {
    const { exitCode, stdout, stderr } = await runKiln([flag], options)
    expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: '' })
    expect(stdout).toMatch(/^kiln\/\d+\.\d+\.\d+ .*node-v24/)
  })

  it.each([[['--help']], [['-h']], [['help']]])('%j lists the topics', async (args) => {
    const { exitCode, stdout, stderr } = await runKiln(args, options)
    expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: '' })
    expect(stdout).toMatch(/^ {2}analysis /m)
    expect(stdout).toMatch(/^ {2}quickstart /m)
  })

  const manifest = JSON.parse(readFileSync(path.join(root, 'oclif.manifest.json'), 'utf8')) as {
    commands: Record<string, { description?: string; examples?: string[]; aliases?: string[] }>
  }

  /** As the program prints it, without a start of it for each command. */
  async function helpOf(name: string): Promise<string> {
    const stream = new PassThrough({ encoding: 'utf8' })
    await showHelp(await Config.load({ root }), name.split(' ').filter(Boolean), stream)
    stream.end()
    return text(stream)
  }

  it('of one command is the same by each way', async () => {
    const [a, b, c] = await Promise.all([
      runKiln(['help', 'job', 'list'], options),
      runKiln(['job', 'list', '--help'], options),
      runKiln(['job', 'list', '-h'], options),
    ])
    expect(a.stdout).toContain('USAGE')
    expect(b.stdout).toBe(a.stdout)
    expect(c.stdout).toBe(a.stdout)
    expect(c.stdout).toBe(await helpOf('job list'))
    expect(c).toMatchObject({ exitCode: 0, stderr: '' })
    expect(c.stdout).not.toContain(canary)
  })

  it('of all, and of each group, fits 80 columns', async () => {
    const { oclif } = JSON.parse(readFileSync(path.join(root, 'package.json'), 'utf8')) as {
      oclif: { topics: Record<string, unknown> }
    }
    const pages = await Promise.all(['', ...Object.keys(oclif.topics)].map(helpOf))
    expect(pages.join('\n')).toContain('kiln analysis')
    expect(pages.flatMap((page) => page.split('\n')).filter((line) => line.length > 80)).toEqual([])
  })

  it.each(Object.keys(manifest.commands).map((id) => [id.replaceAll(':', ' ')]))(
    'of `%s` fits 80 columns and has examples, exit codes and environment',
    async (name) => {
      const stdout = await helpOf(name)
      expect(stdout.split('\n').filter((line) => line.length > 80)).toEqual([])
      const inOneLine = (text: string) => text.replaceAll(/\s+/g, ' ')
      const { description = '' } = manifest.commands[name.replaceAll(' ', ':')] ?? {}
      expect(inOneLine(stdout)).toContain(
        inOneLine(description.replaceAll('<%= config.bin %>', 'kiln')),
      )
      for (const header of ['USAGE', 'EXAMPLES', 'EXIT CODES', 'ENVIRONMENT']) {
        expect(stdout).toContain(`\n${header}`.trimStart())
      }
      const examples = stdout.slice(stdout.indexOf('EXAMPLES'), stdout.indexOf('EXIT CODES'))
      expect(examples).toContain(`kiln ${name}`)
      // Scripts are copied from here: long flags say what they do.
      expect(examples.replaceAll(/ (--|[|]) .*/g, '')).not.toMatch(/ -[a-np-z] /)
    },
  )

  it('keeps the environment out of the manifest', () => {
    const text = readFileSync(path.join(root, 'oclif.manifest.json'), 'utf8')
    expect(text).not.toMatch(/postgres(ql)?:\/\/[^<\s]*@(?!host|db|localhost)/)
  })
})

describe('a password in --database-url', () => {
  it('is warned of, and is in no output nor in the process list', async () => {
    const running = startKiln(
      ['serve-scheduler', '--no-http', `--database-url=${url}`, '--log-level', 'debug'],
      { cwd: folder.path },
    )
    onTestFinished(() => running.kill('SIGKILL'))
    await running.waitForOutput(/Job poller started/)
    expect(readFileSync(`/proc/${running.pid}/cmdline`, 'utf8')).not.toContain(canary)
    running.kill('SIGTERM')
    const { exitCode, stdout, stderr } = await running.exited
    expect(exitCode).toBe(0)
    expect(stderr).toMatch(/^warning: .*DATABASE_URL/)
    expect(stdout + stderr).not.toContain(canary)
  })

  it('is warned of also when it stands among the parameters', async () => {
    const asParameter = `${database.connectionString}${database.connectionString.includes('?') ? '&' : '?'}password=${canary}`
    const { exitCode, stdout, stderr } = await runKiln(
      ['job', 'list', '--limit', '1', '--json', '--database-url', asParameter],
      { cwd: folder.path },
    )
    expect(exitCode).toBe(0)
    expect(stderr).toMatch(/^warning: /)
    expect(stdout + stderr).not.toContain(canary)
  })
})

describe('the launcher', () => {
  it('works through symbolic links, relative ones too', async () => {
    const first = path.join(folder.path, 'kiln-a')
    const second = path.join(folder.path, 'kiln-b')
    symlinkSync(kiln, first)
    symlinkSync('kiln-a', second)
    for (const link of [first, second]) {
      const { status, stdout } = spawnSync(link, ['--version'], { encoding: 'utf8', cwd: '/' })
      expect({ status, isKiln: stdout.startsWith('kiln/') }).toEqual({ status: 0, isKiln: true })
    }
  })

  it('says in one line that a system Node is too old', ({ skip }) => {
    const node = spawnSync('/usr/bin/node', ['--version'], { encoding: 'utf8' })
    if (node.status !== 0 || Number(/\d+/.exec(node.stdout)?.[0]) >= 24) skip('no old Node here')
    const { status, stdout, stderr } = spawnSync(
      '/usr/bin/node',
      [path.join(root, 'bin/run.js'), 'job', 'list'],
      { encoding: 'utf8' },
    )
    expect({ status, stdout, lines: stderr.trim().split('\n').length }).toEqual({
      status: 78,
      stdout: '',
      lines: 1,
    })
    expect(stderr).toContain('Node.js 24')
  })
})

describe('-q', () => {
  it('is silent on success', async () => {
    const result = await runKiln(['job', 'list', '--status', 'failed', '-q'], options)
    expect(result).toEqual({ exitCode: 0, signal: null, stdout: '', stderr: '' })
  })
})

describe('a database that refuses', () => {
  it('an unknown database is 66, one that is not migrated 78', async () => {
    const missing = url.replace(database.name, 'kiln_no_such_database')
    const result = await runKiln(['job', 'list', '--json'], { env: { DATABASE_URL: missing } })
    expect(result).toMatchObject({ exitCode: 66, stdout: '' })
    expect(result.stderr).not.toContain(canary)
    const empty = await createTestDatabase({ migrated: false })
    const unmigrated = await runKiln(['job', 'list', '--json'], {
      env: { DATABASE_URL: empty.connectionString },
    })
    expect(unmigrated).toMatchObject({ exitCode: 78, stdout: '' })
    expect(unmigrated.stderr).toContain('kiln migrate')
    await empty.drop()
  })
})
