/**
 * Commands that only read go to DATABASE_READONLY_URL, here as a role that may do nothing else and with
 * a DATABASE_URL that leads nowhere; all others never do. The same table holds the part of the contract
 * of output that needs an answer: silent with -q, one JSON value, nothing lost when the reader goes, no
 * secret.
 */
import { spawnSync } from 'node:child_process'
import path from 'node:path'
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type JobCommands, openJobCommands } from '../support/job-commands.ts'
import { insertSchedule } from '../support/schedules.ts'

const root = path.resolve(import.meta.dirname, '../..')
const canary = 'canary-93b8d1c6'
const dead = `postgresql://nobody:${canary}@127.0.0.1:1/none`

let jobs: JobCommands
let role: string
let readonlyUrl: string
let jobId: string
beforeAll(async () => {
  jobs = await openJobCommands()
  await jobs.sql(`update analyses set script_content = 'export default () => 2'`)
  jobId = await jobs.add({ status: 'completed', result: '{"rows": [{"a": 1}]}' })
  await jobs.add({ status: 'failed', error_code: 'script_error', error_message: 'no' })
  // Left by an executor that died: to be put back by who may write, and no reason to fail.
  await jobs.add({ status: 'running', attempt: 1, started_at: new Date().toISOString() })
  await insertSchedule(jobs.core.context.database.pool, jobs.analysisId)
  await jobs.script('a.csv', 'a\n1\n')
  await jobs.run(['datasource', 'add', 'd', '--type', 'file', '--path', 'a.csv'])
  await jobs.run(['project', 'set', 'default', '--max-concurrent', '3'])

  role = `kiln_reader_${jobs.core.database.name.slice(-12)}`
  await jobs.sql(`create role ${role} login password '${canary}'`)
  await jobs.sql(`grant usage on schema public to ${role}`)
  await jobs.sql(`grant select on all tables in schema public to ${role}`)
  readonlyUrl = jobs.core.database.connectionString.replace(
    /\/\/([^/@]*@)?/,
    `//${role}:${canary}@`,
  )
})
afterAll(async () => {
  await jobs.sql(`drop owned by ${role}`)
  await jobs.sql(`drop role ${role}`)
  await jobs.close()
})

const environment = () => ({
  PATH: `${path.join(root, 'bin')}:${process.env.PATH}`,
  HOME: jobs.core.folder.path,
  ANALYSIS_DATA_DIR: jobs.core.context.settings.dataDir,
  DATABASE_URL: dead,
  DATABASE_READONLY_URL: readonlyUrl,
  ANALYSIS_API_TOKEN: `${canary}-of-16`,
  BACKUP_PASSPHRASE: canary,
})

function shell(script: string) {
  const { status, stdout, stderr } = spawnSync('bash', ['-c', `set -o pipefail\n${script}`], {
    cwd: jobs.core.folder.path,
    encoding: 'utf8',
    env: environment(),
  })
  expect(stdout + stderr).not.toContain(canary)
  return { status, stdout, stderr }
}

/** Command lines that only read, and how they end. */
const readers: readonly (readonly [line: string, exitCode: number])[] = [
  ['analysis list', 0],
  ['analysis show test', 0],
  ['analysis versions test', 0],
  ['analysis diff test', 1],
  ['analysis failing', 1],
  ['analysis results test', 0],
  ['audit list', 0],
  ['audit verify', 0],
  ['completion names jobs', 0],
  ['datasource list', 0],
  ['datasource show d', 0],
  ['executor list', 0],
  ['job list', 0],
  ['job show JOB', 0],
  ['job logs JOB', 0],
  ['job logs JOB --follow', 0],
  ['job result JOB', 0],
  ['job compare JOB JOB', 0],
  ['job stats', 0],
  ['job errors', 0],
  ['project list', 0],
  ['project show default', 0],
  ['schedule list', 0],
  ['schedule show test', 0],
  ['schedule history test', 0],
  ['schedule missed', 0],
  ['schedule next test', 0],
]

describe.each(readers)('kiln %s', (line, exitCode) => {
  it('reads there, silently with -q, as JSON, and for a reader that has gone', () => {
    const words = line.replaceAll('JOB', jobId)
    expect(shell(`kiln ${words} -q`)).toEqual({ status: exitCode, stdout: '', stderr: '' })
    const json = shell(`kiln ${words} --json`)
    expect({ status: json.status, stderr: json.stderr }).toEqual({ status: exitCode, stderr: '' })
    if (!words.startsWith('job logs')) expect(json.stdout).not.toBe('')
    for (const text of json.stdout.split('\n').filter(Boolean)) JSON.parse(text)
    // It goes before the first line, where `head -1` goes after it.
    const piped = shell(`kiln ${words} -q -o wide | :`)
    expect(piped.stderr).toBe('')
    expect([0, exitCode]).toContain(piped.status)
  })
})

it('all commands that say so are in this list', async () => {
  const manifest = await import('../../oclif.manifest.json', { with: { type: 'json' } })
  const commands = manifest.default.commands as Record<string, { readsOnly?: boolean }>
  const marked = Object.keys(commands).filter((name) => commands[name]?.readsOnly)
  const tested = readers.map(([line]) => line.split(' ').slice(0, 2).join(':'))
  expect(marked.filter((name) => !tested.includes(name))).toEqual([])
})

it.each([
  ['job cancel JOB'],
  ['job retry JOB'],
  ['analysis disable test'],
  ['analysis run test'],
  ['schedule trigger test'],
  ['audit verify --seal'],
  ['cleanup'],
  ['migrate'],
])('kiln %s never goes there', (line) => {
  const words = line.replaceAll('JOB', jobId)
  const { status, stderr } = shell(`kiln ${words} --json`)
  expect({ status, stderr }).toMatchObject({
    status: 69,
    stderr: expect.stringContaining('127.0.0.1:1'),
  })
})

it('a database that is named on the command line is meant, also by who reads', () => {
  expect(shell('kiln job list --database-url postgresql://nobody@127.0.0.1:1/none').status).toBe(69)
})

it('alone it makes no private Postgres: who writes is told what is missing', async () => {
  const options = { env: { DATABASE_URL: '', DATABASE_READONLY_URL: readonlyUrl } }
  expect((await jobs.run(['job', 'list', '-q'], options)).exitCode).toBe(0)
  for (const words of [['cleanup'], ['db', 'url'], ['job', 'cancel', jobId]]) {
    const { exitCode, stderr } = await jobs.run(words, options)
    expect({ exitCode, stderr }).toMatchObject({
      exitCode: 78,
      stderr: expect.stringContaining('only DATABASE_READONLY_URL is set'),
    })
  }
})

it('the doctor says whether that database can be read, and whether it could be written', async () => {
  const check = async (url: string) => {
    const { exitCode, stdout } = await jobs.run(
      ['doctor', '--only', 'postgres.readonly-url', '--json'],
      { env: { DATABASE_READONLY_URL: url } },
    )
    const { items } = JSON.parse(stdout) as { items: { fact: string }[] }
    return [exitCode, items[0]?.fact]
  }
  const can = expect.stringContaining('cannot write')
  expect(await check(readonlyUrl)).toEqual([0, can])
  const may = expect.stringContaining('may write')
  expect(await check(jobs.core.database.connectionString)).toEqual([1, may])
  expect(await check(dead)).toEqual([2, expect.stringContaining('127.0.0.1:1')])
  expect(await check('')).toEqual([0, expect.stringContaining('is not set')])
})

it('the role could not have written', async () => {
  const client = new pg.Client({ connectionString: readonlyUrl })
  await client.connect()
  await expect(client.query('update analyses set title = title')).rejects.toThrow('permission')
  await client.end()
})
