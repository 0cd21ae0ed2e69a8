import { spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { type AddressInfo, createServer } from 'node:net'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type JobCommands, openJobCommands } from '../support/job-commands.ts'
import { insertAnalysis } from '../support/queue.ts'
import { insertSchedule } from '../support/schedules.ts'

let jobs: JobCommands
let jobId: string
const scripts = new Map<string, string>()
beforeAll(async () => {
  jobs = await openJobCommands()
  jobId = await jobs.add()
  await insertSchedule(jobs.core.context.database.pool, jobs.analysisId)
  for (const shell of ['bash', 'zsh', 'fish']) {
    scripts.set(shell, (await jobs.run(['completion', shell])).stdout)
  }
})
afterAll(() => jobs.close())

const has = (program: string) => spawnSync(program, ['-c', ':']).status === 0

function run(program: string, args: readonly string[], input: string) {
  return spawnSync(program, args, {
    cwd: jobs.core.folder.path,
    input,
    encoding: 'utf8',
    env: {
      PATH: `${path.resolve(import.meta.dirname, '../../bin')}:${process.env.PATH}`,
      HOME: jobs.core.folder.path,
      DATABASE_URL: jobs.core.database.connectionString,
    },
  })
}

/** What bash offers for a line, with the cursor at its end. */
function bash(line: string): string[] {
  const { stdout, stderr } = run(
    'bash',
    ['--norc'],
    `${scripts.get('bash')}
     COMP_WORDS=(${line.endsWith(' ') ? `${line}''` : line})
     COMP_CWORD=$((\${#COMP_WORDS[@]} - 1))
     _kiln
     printf '%s\\n' "\${COMPREPLY[@]}"`,
  )
  expect(stderr).toBe('')
  return stdout.split('\n').filter(Boolean)
}

describe('bash', () => {
  it('completes commands, flags, and values of flags', () => {
    expect(bash('kiln sched')).toEqual(['schedule'])
    expect(bash('kiln job li')).toEqual(['list'])
    expect(bash('kiln job list --stat')).toEqual(['--status'])
    expect(bash('kiln job list --output js')).toEqual(['json', 'jsonl'])
    expect(bash('kiln job list -o na')).toEqual(['name'])
    expect(bash('kiln health ')).toContain('check')
    expect(bash('kiln migrate --js')).toEqual(['--json'])
  })

  it('completes names from the database', () => {
    expect(bash('kiln analysis show te')).toEqual(['test'])
    expect(bash(`kiln job show ${jobId.slice(0, 4)}`)).toEqual([jobId])
    expect(bash('kiln schedule show ')).toEqual(['test'])
    expect(bash('kiln job list --analysis ')).toEqual(['test'])
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

  it('is not obeyed', () => {
    expect(bash('kiln analysis show te')).toEqual(['test'])
    expect(existsSync(path.join(jobs.core.folder.path, 'pwned'))).toBe(false)
  })
})

describe.runIf(has('zsh'))('zsh', () => {
  it('reads the script, and completes words, flags and names', () => {
    const { stdout, stderr } = run(
      'zsh',
      ['-f'],
      `${scripts.get('zsh')}
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
  const fish = (line: string) => {
    const file = path.join(jobs.core.folder.path, 'complete.fish')
    writeFileSync(file, `${scripts.get('fish')}\ncomplete -C '${line}' | string split -f 1 \\t`)
    const { stdout, stderr } = run('fish', ['--no-config', file], '')
    expect(stderr).toBe('')
    return stdout.split('\n').filter(Boolean)
  }

  it('completes words, flags, values and names', () => {
    expect(fish('kiln sched')).toEqual(['schedule'])
    expect(fish('kiln job list --stat')).toContain('--status')
    expect(fish('kiln job list -o js')).toEqual(['json', 'jsonl'])
    expect(fish('kiln analysis show te')).toContain('test')
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
