/**
 * The contract of output where commands that change something succeed: one JSON document with `--json`, and
 * silence with `-q`. `output-contract.test.ts` is about their failures.
 */
import { mkdir, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { commandNames, readingCommands } from '../support/command-lines.ts'
import { type TestDatabase, createTestDatabase } from '../support/database.ts'
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

const run = (words: readonly string[]): Promise<KilnResult> =>
  runKiln(words, {
    cwd: folder.path,
    env: {
      DATABASE_URL: database.connectionString,
      ANALYSIS_DATA_DIR: path.join(folder.path, 'data'),
    },
  })
const wordsOf = (line: string, name: string): string[] =>
  line.replaceAll('NAME', name).replaceAll('JOB', job).split(' ')

it.each(lines)('kiln %s', async (line) => {
  const json = await run([...wordsOf(line, 'one'), '--json'])
  expect(json.exitCode, json.stderr).toBe(0)
  expect(JSON.parse(json.stdout)).toBeInstanceOf(Object)
  const quiet = await run([...wordsOf(line, 'two'), '-q'])
  // Log lines of a service are no remarks.
  const stderr = line.startsWith('serve-scheduler') ? '' : quiet.stderr
  expect({ ...quiet, stderr }).toEqual({ exitCode: 0, signal: null, stdout: '', stderr: '' })
})

/** They only read, or have this in a test of their own: they want a server or a set of their own. */
const elsewhere = new Set([
  ...readingCommands,
  'analysis options',
  'analysis validate',
  'backup list',
  'backup show',
  'completion',
  'config check',
  'config show',
  'config suggest',
  'db start',
  'db status',
  'db stop',
  'db url',
  'doctor',
  'duckdb info',
  'duckdb query',
  'duckdb sizes',
  'executor drain',
  'health',
  'health check',
  'migrate baseline',
  'migrate down',
  'migrate plan',
  'migrate repair',
  'migrate status',
  'migrate up',
  'migrate verify',
  'restore duckdb',
  'restore postgres',
])

it('forgets no command', () => {
  const isNamed = (name: string) => lines.some((line) => `${line} `.startsWith(`${name} `))
  expect(commandNames.filter((name) => !isNamed(name) && !elsewhere.has(name))).toEqual([])
})
