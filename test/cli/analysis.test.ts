import { mkdir, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type TestDatabase, createTestDatabase } from '../support/database.ts'
import { type KilnOptions, type KilnResult, runKiln } from '../support/kiln.ts'
import { type TemporaryFolder, createTemporaryFolder } from '../support/temporary-folder.ts'

const delays = `export default {
  title: 'On-time performance',
  parameters: [{ name: 'day', type: 'date', default: 'yesterday' }],
  limits: { timeoutSeconds: 60, memory: '64MB' },
  async run(ctx, params) { return params },
}
`
const files = {
  'delays.js': delays,
  'bare.js': 'export default function analyze(params) { return params }\n',
  'typed.ts': 'export default function analyze(params: object): object { return params }\n',
  'broken.js': 'export default {\n  run( {\n}\n',
  'no-run.js': "export default { title: 'x' }\n",
  'imports.js': "import fs from 'node:fs'\nexport default function analyze() {}\n",
  'parameters.js':
    "export default { parameters: [{ name: 'a', type: 'strng' }, { name: 'a', type: 'select' }], run() {} }\n",
  'needs.js': "export default { dependencies: { datasources: ['flights'] }, run() { return 1 } }\n",
  'latin1.js': Buffer.from([0x2f, 0x2f, 0xe9]),
}

let database: TestDatabase
let folder: TemporaryFolder
beforeAll(async () => {
  database = await createTestDatabase()
  folder = await createTemporaryFolder('analysis')
  for (const [name, content] of Object.entries(files)) {
    await writeFile(path.join(folder.path, name), content)
  }
  await mkdir(path.join(folder.path, 'folder.js'))
})
afterAll(async () => {
  await database.drop()
  await folder.remove()
})

const analysis = (args: readonly string[], options: KilnOptions = {}): Promise<KilnResult> =>
  runKiln(['analysis', ...args], {
    cwd: folder.path,
    ...options,
    env: { DATABASE_URL: database.connectionString, ...options.env },
  })

const uuid = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/

/** What the command must have printed on stderr: an error of one to three lines. */
function errorOf({ stderr }: KilnResult): string[] {
  const lines = stderr.trimEnd().split('\n')
  expect(lines.length).toBeLessThanOrEqual(3)
  expect(stderr).not.toMatch(/^\s+at /m)
  return lines
}

describe('kiln analysis create', () => {
  it('prints id and name', async () => {
    const result = await analysis(['create', 'delays.js', '--project', 'create'])
    expect(result).toMatchObject({ exitCode: 0, stderr: '' })
    expect(result.stdout).toMatch(
      /^id {7}[0-9a-f-]{36}\nname {5}on-time-performance\nproject {2}create\nversion {2}1\n$/,
    )
  })

  it('prints the row as JSON, and the id alone for scripts', async () => {
    const created = await analysis(['create', 'typed.ts', '--project', 'json', '--json'])
    const row = JSON.parse(created.stdout)
    expect(row).toMatchObject({
      name: 'typed',
      title: 'typed',
      project_id: 'json',
      version: 1,
      is_active: true,
      metadata: { language: 'typescript', file: path.join(folder.path, 'typed.ts') },
    })
    expect(Object.keys(row)).toEqual([
      'id',
      'name',
      'title',
      'project_id',
      'version',
      'is_active',
      'metadata',
      'created_by',
      'created_at',
      'updated_at',
    ])
    const named = await analysis(['create', 'bare.js', '--project', 'json', '-o', 'name'])
    expect(named.stdout.trim()).toMatch(uuid)
  })

  it('reads standard input', async () => {
    const options = { input: files['bare.js'] }
    const args = ['create', '-', '--project', 'stdin', '--title', 'From a Pipe', '--json']
    const result = await analysis(args, options)
    expect(JSON.parse(result.stdout)).toMatchObject({ name: 'from-a-pipe', title: 'From a Pipe' })
  })

  it.each<[string, string[], number, string]>([
    [
      'broken.js',
      [],
      1,
      'error: broken.js:4:1: SyntaxError: Unexpected end of input [ANALYSIS_INVALID]',
    ],
    ['nowhere.js', [], 66, 'error: no such file: nowhere.js [FILE_NOT_FOUND]'],
    ['folder.js', [], 74, 'error: folder.js is a folder, not a file [FILE_UNREADABLE]'],
    ['latin1.js', [], 1, 'error: latin1.js: this is not text in UTF-8 [ANALYSIS_INVALID]'],
    [
      'needs.js',
      [],
      65,
      'error: project "default" has no datasource "flights", which the script declares [DEPENDENCY_MISSING]',
    ],
    [
      'bare.js',
      ['--name', 'No Good'],
      64,
      'error: "No Good" cannot be the name of an analysis [USAGE]',
    ],
  ])('refuses %s %j with %i', async (file, flags, exitCode, message) => {
    const result = await analysis(['create', file, ...flags])
    expect(result).toMatchObject({ exitCode, stdout: '' })
    expect(errorOf(result)[0]).toBe(message)
    const asJson = await analysis(['create', file, ...flags, '--json'])
    expect(asJson).toMatchObject({ exitCode, stdout: '' })
    expect(JSON.parse(asJson.stderr).error.exit_code).toBe(exitCode)
  })

  it('names the problem, how many more there are, and the command that shows them', async () => {
    const result = await analysis(['create', 'parameters.js'])
    expect(errorOf(result)).toEqual([
      'error: parameters.js: parameters[0].type: "strng" is not a type, did you mean "string"? (types: string, text, number, integer, boolean, date, select, multiselect, object, array) (and 2 more) [ANALYSIS_INVALID]',
      'hint: correct the script; all its problems: kiln analysis validate parameters.js',
    ])
  })

  it('refuses a name that is taken, with the command to run instead', async () => {
    const args = ['create', 'delays.js', '--project', 'taken', '--name', 'delays']
    expect((await analysis(args)).exitCode).toBe(0)
    const result = await analysis(args)
    expect(result.exitCode).toBe(65)
    expect(errorOf(result)).toEqual([
      'error: project "taken" has an analysis "delays" [ANALYSIS_EXISTS]',
      'hint: make a new version of it: kiln analysis update delays delays.js --project taken',
    ])
  })

  it('says in one or two lines that the database is away or not migrated', async () => {
    const away = await analysis(['create', 'bare.js'], {
      env: { DATABASE_URL: 'postgresql://kiln:s3cr3t@127.0.0.1:1/kiln' },
    })
    expect(away.exitCode).toBe(69)
    expect(errorOf(away)[0]).toContain('[DATABASE_CONNECTION_FAILED]')
    expect(away.stderr).not.toContain('s3cr3t')
    const empty = await createTestDatabase({ migrated: false })
    try {
      const env = { DATABASE_URL: empty.connectionString }
      const result = await analysis(['list'], { env })
      expect(result.exitCode).toBe(78)
      expect(errorOf(result)).toHaveLength(2)
    } finally {
      await empty.drop()
    }
  })
})

describe('kiln analysis update, show, versions, list', () => {
  it('makes versions, and shows each', async () => {
    const project = ['--project', 'versions']
    await analysis(['create', 'bare.js', ...project, '--name', 'v'])
    const updated = await analysis([
      'update',
      'v',
      'delays.js',
      ...project,
      '-m',
      'dates',
      '--json',
    ])
    expect(JSON.parse(updated.stdout)).toMatchObject({
      name: 'v',
      version: 2,
      is_new_version: true,
    })

    const again = await analysis(['update', 'v', 'delays.js', ...project])
    expect(again).toMatchObject({
      exitCode: 0,
      stderr: 'the script is the same: still version 2\n',
    })
    expect((await analysis(['update', 'v', 'delays.js', ...project, '-q'])).stderr).toBe('')

    const versions = JSON.parse((await analysis(['versions', 'v', ...project, '--json'])).stdout)
    expect(versions.next_cursor).toBeNull()
    expect(versions.items).toMatchObject([
      { version: 2, change_description: 'dates', definition: { form: 'object' } },
      { version: 1, change_description: null, definition: { form: 'function', parameters: null } },
    ])
    const table = await analysis(['versions', 'v', ...project])
    expect(table.stdout).toMatch(/^VERSION {2}CREATED.*\n2 .*dates {3}ok\n1 .*ok\n$/)

    const shown = JSON.parse((await analysis(['show', 'v', ...project, '--json'])).stdout)
    expect(shown).toMatchObject({
      version: 2,
      shown_version: { version: 2, language: 'javascript' },
    })
    expect(shown.shown_version.definition).toEqual({
      form: 'object',
      language: 'javascript',
      title: 'On-time performance',
      description: null,
      parameters: [
        {
          name: 'day',
          type: 'date',
          required: false,
          default: 'yesterday',
          description: null,
          options: null,
          min: null,
          max: null,
          pattern: null,
          depends_on: [],
        },
      ],
      dependencies: { datasources: [], analyses: [] },
      limits: { timeout_ms: 60_000, cpu_ms: null, memory_bytes: 64 * 1024 ** 2 },
      database: 'scratch',
      retries: null,
      max_concurrent: null,
      schedule: null,
    })
    const old = await analysis(['show', 'v', ...project, '--version', '1'])
    expect(old.stdout).toMatch(/^version {5}1 \(newest: 2\)$/m)
    expect(old.stdout).toMatch(/^parameters {2}any$/m)
    const missing = await analysis(['show', 'v', ...project, '--version', '9'])
    expect(missing.exitCode).toBe(66)
    expect(errorOf(missing)[0]).toContain('[VERSION_NOT_FOUND]')
  })

  it('prints the script byte for byte', async () => {
    const project = ['--project', 'bytes']
    const script = `// \u202e\r\n${files['bare.js']}`
    await analysis(['create', '-', ...project, '--name', 'exact'], { input: script })
    const { stdout } = await analysis(['show', 'exact', ...project, '--script'])
    expect(stdout).toBe(script)
    const asJson = JSON.parse(
      (await analysis(['show', 'exact', ...project, '--script', '--json'])).stdout,
    )
    expect(asJson.shown_version.script).toBe(script)
  })

  it('suggests a name that is close, and asks for the project of one that several have', async () => {
    await analysis(['create', 'bare.js', '--project', 'near1', '--name', 'punctuality'])
    const near = await analysis(['show', 'punctualty'])
    expect(near.exitCode).toBe(66)
    expect(errorOf(near)).toEqual([
      'error: there is no analysis "punctualty" [ANALYSIS_NOT_FOUND]',
      'hint: did you mean punctuality?',
    ])
    await analysis(['create', 'bare.js', '--project', 'near2', '--name', 'punctuality'])
    const ambiguous = await analysis(['show', 'punctuality'])
    expect(ambiguous.exitCode).toBe(64)
    expect(errorOf(ambiguous)).toEqual([
      'error: several projects have an analysis "punctuality": near1, near2 [ANALYSIS_AMBIGUOUS]',
      'hint: say which: --project near1',
    ])
  })

  it('lists a page at a time', async () => {
    const project = ['--project', 'pages']
    for (const name of ['b', 'a', 'c']) {
      await analysis(['create', 'bare.js', ...project, '--name', name])
    }
    const first = JSON.parse(
      (await analysis(['list', ...project, '--limit', '2', '--json'])).stdout,
    )
    expect(first.items.map(({ name }: { name: string }) => name)).toEqual(['a', 'b'])
    const rest = await analysis(['list', ...project, '--cursor', first.next_cursor, '--json'])
    expect(JSON.parse(rest.stdout)).toMatchObject({ items: [{ name: 'c' }], next_cursor: null })
    const table = await analysis(['list', ...project, '--limit', '1'])
    expect(table.stdout).toMatch(
      /^NAME {2}PROJECT {2}VERSION {2}TITLE {2}ACTIVE {2}UPDATED\na {5}pages {4}1 /,
    )
    expect(table.stderr).toMatch(/^more: --cursor \S+\n$/)
    const none = await analysis(['list', ...project, '--inactive'])
    expect(none).toMatchObject({ exitCode: 0, stdout: '', stderr: 'no analyses\n' })
  })
})

describe('kiln analysis validate', () => {
  // A database that cannot be reached shows that none is needed.
  const validate = (args: readonly string[], input?: string): Promise<KilnResult> =>
    analysis(['validate', ...args], {
      env: { DATABASE_URL: 'postgresql://127.0.0.1:1/none' },
      ...(input === undefined ? {} : { input }),
    })

  it('says that scripts are valid', async () => {
    expect(await validate(['delays.js', 'bare.js', 'typed.ts'])).toMatchObject({
      exitCode: 0,
      stdout: 'delays.js: valid\nbare.js: valid\ntyped.ts: valid\n',
      stderr: '',
    })
  })

  it('prints a line for each problem, with its place where it has one', async () => {
    const result = await validate([
      'broken.js',
      'no-run.js',
      'imports.js',
      'parameters.js',
      'bare.js',
    ])
    expect(result).toMatchObject({ exitCode: 1, stderr: '' })
    const lines = result.stdout.trimEnd().split('\n')
    expect(lines[0]).toBe('broken.js:4:1: SyntaxError: Unexpected end of input')
    expect(lines[1]).toMatch(/^no-run\.js: the default export has no run function/)
    expect(lines[2]).toMatch(/^imports\.js:1:\d+: .*node:fs/)
    expect(lines.slice(3)).toEqual([
      expect.stringMatching(/^parameters\.js: parameters\[0\]\.type: "strng" is not a type/),
      'parameters.js: parameters[1].name: "a" is declared twice',
      'parameters.js: parameters[1].options: is missing: a select needs its options',
      'bare.js: valid',
    ])
  })

  it('ends with 66 when a file is missing, after checking the others', async () => {
    expect(await validate(['nowhere.js', 'bare.js'])).toMatchObject({
      exitCode: 66,
      stdout: 'nowhere.js: no such file: nowhere.js\nbare.js: valid\n',
    })
  })

  it('lists files and problems as JSON, with the same exit code', async () => {
    const result = await validate(['broken.js', 'bare.js', '--json'])
    expect(result.exitCode).toBe(1)
    expect(JSON.parse(result.stdout)).toEqual({
      items: [
        {
          file: 'broken.js',
          valid: false,
          problems: [
            {
              path: '',
              message: 'SyntaxError: Unexpected end of input',
              line: 4,
              column: 1,
              code: 'definition_error',
            },
          ],
        },
        { file: 'bare.js', valid: true, problems: [] },
      ],
      next_cursor: null,
    })
    const invalid = await validate(['bare.js', 'broken.js', '-o', 'name'])
    expect(invalid.stdout).toBe('bare.js\nbroken.js\n')
  })

  it('reads standard input', async () => {
    expect(await validate(['-'], files['no-run.js'])).toMatchObject({
      exitCode: 1,
      stdout: expect.stringMatching(/^-: the default export has no run function/),
    })
  })

  it('leaves the input of a loop alone', async () => {
    const result = await analysis(['validate', 'bare.js'], { stdin: 'open', input: 'next\n' })
    expect(result.exitCode).toBe(0)
  })

  it('asks for a file', async () => {
    const result = await validate([])
    expect(result).toMatchObject({ exitCode: 64, stdout: '' })
    expect(errorOf(result)[0]).toContain('[USAGE]')
  })
})
