import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs'
import { type AddressInfo, createServer } from 'node:net'
import path from 'node:path'
import { text } from 'node:stream/consumers'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { fishCompletion } from '../../src/cli/completion/fish.ts'
import { commandSpecs } from '../../src/cli/completion/spec.ts'
import { zshCompletion } from '../../src/cli/completion/zsh.ts'
import { type JobCommands, openJobCommands } from '../support/job-commands.ts'
import { type PostgresProxy, startPostgresProxy } from '../support/postgres-proxy.ts'
import { insertAnalysis } from '../support/queue.ts'
import { insertSchedule } from '../support/schedules.ts'

let jobs: JobCommands
let jobId: string
let proxy: PostgresProxy
let starts: string
const scripts = {
  zsh: zshCompletion(commandSpecs()),
  fish: fishCompletion(commandSpecs()),
  bash: '',
}
beforeAll(async () => {
  jobs = await openJobCommands()
  jobId = await jobs.add()
  await insertSchedule(jobs.core.context.database.pool, jobs.analysisId)
  scripts.bash = (await jobs.run(['completion', 'bash'])).stdout
  proxy = await startPostgresProxy(jobs.core.database.connectionString)
  // The program, and a line for each time that it was started.
  starts = path.join(jobs.core.folder.path, 'starts')
  writeFileSync(starts, '')
  mkdirSync(path.join(jobs.core.folder.path, 'bin'))
  writeFileSync(
    path.join(jobs.core.folder.path, 'bin/kiln'),
    `#!/bin/sh\necho "$*" >> '${starts}'\nexec '${binary}' "$@"\n`,
    { mode: 0o755 },
  )
})
afterAll(async () => {
  await proxy.close()
  await jobs.close()
})

const binary = path.resolve(import.meta.dirname, '../../bin/kiln')
const has = (program: string) => spawnSync(program, ['-c', ':']).status === 0

/** Not spawnSync: the proxy is in this process. */
async function run(program: string, args: readonly string[], input: string) {
  const child = spawn(program, args, {
    cwd: jobs.core.folder.path,
    env: {
      PATH: `${jobs.core.folder.path}/bin:${process.env.PATH}`,
      HOME: jobs.core.folder.path,
      DATABASE_URL: proxy.connectionString,
    },
  })
  child.stdin.end(input)
  const [stdout, stderr] = await Promise.all([text(child.stdout), text(child.stderr)])
  return { stdout, stderr }
}

/** What it costs: starts of the program, connections, questions to the database after the login. */
async function costOf(work: () => Promise<unknown>): Promise<readonly number[]> {
  const read = () => [
    readFileSync(starts, 'utf8').split('\n').length,
    proxy.connectionCount,
    proxy.answerCount - proxy.connectionCount,
  ]
  const before = read()
  await work()
  return read().map((count, index) => count - (before[index] ?? 0))
}

/** What bash offers for a line, with the cursor at its end. */
async function bash(line: string): Promise<string[]> {
  const { stdout, stderr } = await run(
    'bash',
    ['--norc'],
    `${scripts.bash}
     COMP_WORDS=(${line.endsWith(' ') ? `${line}''` : line})
     COMP_CWORD=$((\${#COMP_WORDS[@]} - 1))
     _kiln
     printf '%s\\n' "\${COMPREPLY[@]}"`,
  )
  expect(stderr).toBe('')
  return stdout.split('\n').filter(Boolean)
}

describe('bash', () => {
  it('completes commands, flags, and values of flags, without a start of the program', async () => {
    const cost = await costOf(async () => {
      expect(await bash('kiln sched')).toEqual(['schedule'])
      expect(await bash('kiln job li')).toEqual(['list'])
      expect(await bash('kiln job list --stat')).toEqual(['--status'])
      expect(await bash('kiln job list --output js')).toEqual(['json', 'jsonl'])
      expect(await bash('kiln job list -o na')).toEqual(['name'])
      expect(await bash('kiln health ')).toContain('check')
      expect(await bash('kiln migrate --js')).toEqual(['--json'])
    })
    expect(cost).toEqual([0, 0, 0])
  })

  it.each([
    ['kiln analysis show te', () => 'test'],
    ['kiln job show ', () => jobId],
    ['kiln schedule show ', () => 'test'],
    ['kiln job list --analysis ', () => 'test'],
  ])('completes names by one start and one question: %s', async (line, name) => {
    const cost = await costOf(async () => expect(await bash(line)).toEqual([name()]))
    expect(cost).toEqual([1, 1, 1])
  })
})

describe('a server that gives names which a shell would run', () => {
  const pool = () => jobs.core.context.database.pool
  let analysisId: string
  beforeAll(async () => {
    await pool().query('alter table analyses drop constraint analyses_name_check')
    analysisId = await insertAnalysis(pool(), undefined, { title: 'other' })
    await pool().query('update analyses set name = $2 where id = $1', [
      analysisId,
      `te$(touch pwned)\`touch pwned\`;touch pwned`,
    ])
  })
  afterAll(async () => {
    await pool().query('delete from analyses where id = $1', [analysisId])
    await pool().query(
      `alter table analyses add constraint analyses_name_check
         check (name ~ '^[a-z0-9][a-z0-9_.-]{0,127}$')`,
    )
  })

  it('is not obeyed', async () => {
    expect(await bash('kiln analysis show te')).toEqual(['test'])
    expect(existsSync(path.join(jobs.core.folder.path, 'pwned'))).toBe(false)
  })
})

describe.runIf(has('zsh'))('zsh', () => {
  it('reads the script, and completes words, flags and names', async () => {
    const { stdout, stderr } = await run(
      'zsh',
      ['-f'],
      `${scripts.zsh}
       _describe() { local -a all; all=(\${(P)@[-1]}); print -l -- \${all%%:*}; }
       compadd() { print -l -- $reply; }
       _files() { :; }
       words=(kiln job ''); CURRENT=3; _kiln | grep -x list
       words=(kiln job list --stat); CURRENT=4; _kiln | grep -x -e --status
       words=(kiln job list -o ''); CURRENT=5; _kiln | grep -x name
       words=(kiln analysis show ''); CURRENT=4; _kiln
      `,
    )
    expect({ stdout, stderr }).toEqual({ stdout: 'list\n--status\nname\ntest\n', stderr: '' })
  })
})

describe.runIf(has('fish'))('fish', () => {
  const fish = async (line: string) => {
    const file = path.join(jobs.core.folder.path, 'complete.fish')
    writeFileSync(file, `${scripts.fish}\ncomplete -C '${line}' | string split -f 1 \\t`)
    const { stdout, stderr } = await run('fish', ['--no-config', file], '')
    expect(stderr).toBe('')
    return stdout.split('\n').filter(Boolean)
  }

  it('completes words, flags, values and names', async () => {
    expect(await fish('kiln sched')).toEqual(['schedule'])
    expect(await fish('kiln job list --stat')).toContain('--status')
    expect(await fish('kiln job list -o js')).toEqual(['json', 'jsonl'])
    expect(await fish('kiln analysis show te')).toContain('test')
  })
})

it('names nothing, makes nothing and soon ends where no server answers', async () => {
  const cwd = path.join(jobs.core.folder.path, 'elsewhere')
  mkdirSync(cwd)
  const ask = (env: Readonly<Record<string, string>>) =>
    jobs.run(['completion', 'names', 'analyses'], { cwd, env: { ANALYSIS_DATA_DIR: '', ...env } })
  const none = await ask({ DATABASE_URL: '' })
  expect(none).toMatchObject({ exitCode: 69, stdout: '' })
  expect(none.stderr).toContain('has no private Postgres yet')
  expect(readdirSync(cwd)).toEqual([])

  const silent = createServer().listen(0, '127.0.0.1')
  await once(silent, 'listening')
  const { port } = silent.address() as AddressInfo
  const answer = await ask({ DATABASE_URL: `postgresql://nobody@127.0.0.1:${port}/none` })
  silent.close()
  expect(answer).toMatchObject({ exitCode: 69, stdout: '' })
  expect(answer.stderr).toContain('no answer within 1 s')
})

it('refuses other shells', async () => {
  expect((await jobs.run(['completion', 'powershell'])).exitCode).toBe(64)
  expect((await jobs.run(['completion'])).exitCode).toBe(64)
})
