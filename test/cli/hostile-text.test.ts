/** What scripts and rows say, on the terminal of whoever looks: shown, never obeyed. */
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import path from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { type JobCommands, openJobCommands } from '../support/job-commands.ts'

/** util-linux' script(1), which gives a program a terminal. */
const terminal = '/usr/bin/script'
const kiln = path.resolve(import.meta.dirname, '../../bin/kiln')
/** Colours, the title, the clipboard, another line, C1's CSI, text that runs backwards. */
const hostile = 'x\u001b[31m\u001b]0;t\u0007\u001b]52;c;eA==\u0007\n00:00:00 info  y\u009b2J\u202ez'

let jobs: JobCommands
beforeAll(async () => {
  jobs = await openJobCommands()
  const text = JSON.stringify(hostile)
  await jobs.script(
    'hostile.js',
    `export const title = ${JSON.stringify(`t ${hostile.replace('\n', ' ')}`)}
     export default (p, ctx) => { ctx.log(${text}); throw new Error(${text}) }`,
  )
  await jobs.run(['analysis', 'create', 'hostile.js', '--project', 'p\u001b[31m\u202e'])
})
afterAll(() => jobs.close())

const driving = /[^\n\t\r\u0020-\u007e\u00a0-\u2027\u202f-\u2065\u2070-\uffff]/

it('a service logs it in one line of its own, also for people', async () => {
  await jobs.run(['analysis', 'run', 'hostile.js', '--project', 'p\u001b[31m\u202e', '--detach'])
  const { stderr } = await jobs.run(['serve-scheduler', '--once', '--no-http'], {
    env: { LOG_FORMAT: 'text' },
  })
  expect(stderr).toMatch(/^\d\d:\d\d:\d\d warn {2}Job \S+ failed: x\\u001b\[31m.*\\u202ez/m)
  expect(stderr).not.toMatch(/^00:00:00 info {2}y/m)
  expect(driving.exec(stderr)).toBeNull()
})

it
  .skipIf(!existsSync(terminal))
  .each([
    'analysis list -o wide',
    'analysis list -o name',
    'analysis list --json',
    'analysis show hostile',
    'audit list',
    'job list -o wide',
    'job list -o csv',
    'job list --json',
    'job errors',
    'project list',
    'project list -o name',
    'analysis run hostile.js --project other',
  ])('kiln %s on a terminal', (line) => {
  const { stdout } = spawnSync(terminal, ['-qefc', `exec ${kiln} ${line}`, '/dev/null'], {
    cwd: jobs.core.folder.path,
    encoding: 'utf8',
    env: {
      PATH: process.env.PATH,
      TERM: 'xterm',
      DATABASE_URL: jobs.core.database.connectionString,
      ANALYSIS_DATA_DIR: jobs.core.context.settings.dataDir,
    },
  })
  expect(stdout).not.toBe('')
  expect(driving.exec(stdout)).toBeNull()
})

it('a pipe gets it to the byte', async () => {
  const { stdout } = await jobs.run(['project', 'list', '-o', 'name'])
  expect(stdout.split('\n')).toContain('p\u001b[31m\u202e')
})
