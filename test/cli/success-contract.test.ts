/**
 * The contract of output where commands that change something succeed: one JSON document with `--json`,
 * silence with `-q`, and no secret of the settings. `output-contract.test.ts` is about their failures.
 */
import { mkdir, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { commandNames, readingCommands } from '../support/command-lines.ts'
import { type TestDatabase, createTestDatabase, secretSettings } from '../support/database.ts'
import { type KilnResult, runKiln } from '../support/kiln.ts'
import { type TemporaryFolder, createTemporaryFolder } from '../support/temporary-folder.ts'

/** In an order in which each can succeed. NAME is one for the run with `--json`, another for `-q`. */
const lines = `
migrate create NAME --migrations .
analysis init NAME.js
analysis create NAME.js --name NAME
analysis update NAME other.js
analysis restore NAME 1
analysis run NAME
analysis run NAME --detach
analysis disable NAME
analysis enable NAME
schedule set NAME --cron @daily
schedule trigger NAME
schedule backfill NAME --from 2d
schedule disable NAME
schedule enable NAME
schedule delete NAME
job wait JOB
job retry JOB
job cancel --analysis NAME --yes
datasource add NAME --type file --path rows.csv --format csv --project default
datasource test NAME --project default
datasource remove NAME --project default
project set default --max-concurrent 2
audit verify
cleanup
backup create duckdb --repo repo-NAME
backup verify latest --repo repo-NAME
backup prune --keep-last 1 --repo repo-NAME
backup export latest NAME.tar --repo repo-NAME
backup import NAME.tar --repo second-NAME
restore drop-old --yes
serve-scheduler --once --no-http
test tests
project move default --home homes/NAME --without-file --yes
analysis delete NAME --yes
`
  .trim()
  .split('\n')

/** They change nothing, and other tests have their JSON: silence is all that is looked at. */
const readers = `
analysis validate other.js
backup list --repo repo-two
backup show latest --repo repo-two
completion bash
config show
config suggest
db url
duckdb sizes
migrate plan
migrate verify
`
  .trim()
  .split('\n')

const canary = 'canary-4e0f7d2a'
let database: TestDatabase
let folder: TemporaryFolder
let job: string
beforeAll(async () => {
  database = await createTestDatabase()
  folder = await createTemporaryFolder('success')
  await writeFile(path.join(folder.path, 'other.js'), 'export default () => [{ a: 1 }]\n')
  await writeFile(path.join(folder.path, 'rows.csv'), 'a\n1\n')
  await mkdir(path.join(folder.path, 'tests'))
  await writeFile(path.join(folder.path, 'tests/a.js'), 'export default () => 1\n')
  await writeFile(path.join(folder.path, 'tests/a.test.json'), '{"expected": 1}')
  const ran = await run(['analysis', 'run', 'other.js', '-o', 'name'])
  job = ran.stdout.trim()
})
afterAll(async () => {
  await database.drop()
  await folder.remove()
})

async function run(words: readonly string[]): Promise<KilnResult> {
  const result = await runKiln(words, {
    cwd: folder.path,
    env: {
      ...secretSettings(database.connectionString, canary),
      ANALYSIS_DATA_DIR: path.join(folder.path, 'data'),
    },
  })
  expect(result.stdout + result.stderr).not.toContain(canary)
  return result
}
const silence = { exitCode: 0, signal: null, stdout: '', stderr: '' }
const wordsOf = (line: string, name: string): string[] =>
  line.replaceAll('NAME', name).replaceAll('JOB', job).split(' ')

it.each(lines)('kiln %s', async (line) => {
  const json = await run([...wordsOf(line, 'one'), '--json'])
  expect(json.exitCode, json.stderr).toBe(0)
  expect(JSON.parse(json.stdout)).toBeInstanceOf(Object)
  const quiet = await run([...wordsOf(line, 'two'), '-q'])
  // Log lines of a service are no remarks.
  const stderr = line.startsWith('serve-scheduler') ? '' : quiet.stderr
  expect({ ...quiet, stderr }).toEqual(silence)
})

it.each(readers)('kiln %s -q', async (line) => {
  expect(await run([...line.split(' '), '-q'])).toEqual(silence)
})

/** readonly-url.test.ts has those that only read; the others want a server or a schema of their own. */
const elsewhere = new Set([
  ...readingCommands,
  'analysis options',
  'config check',
  'db psql',
  'db start',
  'db status',
  'db stop',
  'doctor',
  'duckdb info',
  'duckdb query',
  'executor drain',
  'health',
  'health check',
  'migrate baseline',
  'migrate down',
  'migrate repair',
  'migrate status',
  'migrate up',
  'quickstart',
  'restore duckdb',
  'restore postgres',
  'sandbox check',
])

it('forgets no command', () => {
  const isNamed = (name: string) =>
    [...lines, ...readers].some((line) => `${line} `.startsWith(`${name} `))
  expect(commandNames.filter((name) => !isNamed(name) && !elsewhere.has(name))).toEqual([])
})
