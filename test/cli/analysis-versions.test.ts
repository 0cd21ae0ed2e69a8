import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type TestDatabase, createTestDatabase } from '../support/database.ts'
import { type KilnResult, runKiln } from '../support/kiln.ts'
import { query as runQuery } from '../support/test-server.ts'

const first = `export default {
  parameters: [{ name: 'day', type: 'date', default: 'yesterday' }],
  limits: { timeoutSeconds: 60 },
  run: (ctx, params) => params,
}
`
const second = `export default {
  parameters: [
    { name: 'top', type: 'integer', default: 3 },
    { name: 'day', type: 'date', default: 'today' },
  ],
  run: (ctx, params) => params,
}`

let database: TestDatabase
beforeAll(async () => {
  database = await createTestDatabase()
  await analysis(['create', '-', '--name', 'v'], first)
  await analysis(['update', 'v', '-'], second)
})
afterAll(() => database.drop())

const analysis = (args: readonly string[], input?: string): Promise<KilnResult> =>
  runKiln(['analysis', ...args], {
    env: { DATABASE_URL: database.connectionString },
    ...(input === undefined ? {} : { input }),
  })

async function query<Row>(text: string): Promise<Row[]> {
  return (await runQuery(database.connectionString, text)).rows as Row[]
}

const diff = `--- v.js\tversion 1
+++ v.js\tversion 2
@@ -1,5 +1,7 @@
 export default {
-  parameters: [{ name: 'day', type: 'date', default: 'yesterday' }],
-  limits: { timeoutSeconds: 60 },
+  parameters: [
+    { name: 'top', type: 'integer', default: 3 },
+    { name: 'day', type: 'date', default: 'today' },
+  ],
   run: (ctx, params) => params,
-}
+}
\\ No newline at end of file`

describe('kiln analysis diff', () => {
  it('tells what is declared differently, then the diff, and ends with 1', async () => {
    const result = await analysis(['diff', 'v'])
    expect(result).toMatchObject({ exitCode: 1, stderr: '' })
    const [, top, ...declared] = result.stdout.slice(0, result.stdout.indexOf('---')).split('\n')
    expect(result.stdout.split('\n')[0]).toBe('# changed limits.timeout_ms: 60000 -> null')
    expect(top).toBe('# changed parameters.day.default: "yesterday" -> "today"')
    expect(declared).toEqual([expect.stringMatching(/^# added parameters\.top: \{/), ''])
    expect(result.stdout.slice(result.stdout.indexOf('---'))).toBe(`${diff}\n`)
  })

  it('has it all in JSON', async () => {
    const { stdout, exitCode } = await analysis(['diff', 'v', '1', 'v2', '--json'])
    expect(exitCode).toBe(1)
    expect(JSON.parse(stdout)).toMatchObject({
      analysis_name: 'v',
      a: { version: 1 },
      b: { version: 2 },
      equal: false,
      added_lines: 5,
      removed_lines: 3,
      diff,
      definition_changes: [
        { path: 'limits.timeout_ms', kind: 'changed', a: 60_000, b: null },
        { path: 'parameters.day.default', kind: 'changed', a: 'yesterday', b: 'today' },
        { path: 'parameters.top', kind: 'added', a: null, b: { type: 'integer' } },
      ],
    })
  })

  it('ends with 0 for a version and itself', async () => {
    expect(await analysis(['diff', 'v', '2'])).toEqual({
      exitCode: 0,
      signal: null,
      stdout: '',
      stderr: 'versions 2 and 2 are equal\n',
    })
    expect(JSON.parse((await analysis(['diff', 'v', '2', '2', '--json'])).stdout)).toMatchObject({
      equal: true,
      diff: '',
      definition_changes: [],
    })
  })

  it('says so where declarations have not been read yet', async () => {
    await query(
      `insert into analyses (name, title, script_content) values ('by-sql', 'x', 'export default () => 1')`,
    )
    await query(
      `update analyses set script_content = 'export default () => 2' where name = 'by-sql'`,
    )
    const result = await analysis(['diff', 'by-sql'])
    expect(result.exitCode).toBe(1)
    expect(result.stdout).toMatch(/^# what one of the versions declares has not been read yet\n---/)
    const asJson = await analysis(['diff', 'by-sql', '--json'])
    expect(JSON.parse(asJson.stdout).definition_changes).toBeNull()
  })

  it.each([
    [['v', '9'], 66, 'analysis "v" has no version 9, the newest is 2 [VERSION_NOT_FOUND]'],
    [['v', 'one'], 64, '"one" is no number of a version [USAGE]'],
    [['nobody'], 66, 'there is no analysis "nobody" [ANALYSIS_NOT_FOUND]'],
  ])('refuses %j with %i', async (args, exitCode, message) => {
    const result = await analysis(['diff', ...args])
    expect(result).toMatchObject({ exitCode, stdout: '' })
    expect(result.stderr).toContain(message)
  })

  it('refuses an analysis with one version', async () => {
    await analysis(['create', '-', '--name', 'only'], first)
    const result = await analysis(['diff', 'only', '--json'])
    expect(result.exitCode).toBe(66)
    expect(JSON.parse(result.stderr).error.code).toBe('VERSION_NOT_FOUND')
  })
})

describe('kiln analysis restore', () => {
  it('makes a version with the old script, described and in the audit log', async () => {
    await analysis(['create', '-', '--name', 'r'], first)
    await analysis(['update', 'r', '-'], second)
    const result = await analysis(['restore', 'r', '1', '--json'])
    expect(JSON.parse(result.stdout)).toMatchObject({ version: 3, is_new_version: true })
    expect((await analysis(['show', 'r', '--script'])).stdout).toBe(first)
    const versions = JSON.parse((await analysis(['versions', 'r', '--json'])).stdout)
    expect(versions.items[0]).toMatchObject({
      version: 3,
      change_description: 'restored version 1',
      definition: { limits: { timeout_ms: 60_000 } },
    })
    expect(
      await query(`select action, details from analysis_audit_log
      where target_name = 'default/r' order by id desc limit 1`),
    ).toEqual([{ action: 'analysis.restore', details: { version: 3, restored: 1 } }])

    const again = await analysis(['restore', 'r', '1', '-m', 'why'])
    expect(again).toMatchObject({
      exitCode: 0,
      stderr: 'the script is the same: still version 3\n',
    })
    const said = await analysis(['restore', 'r', '2', '-m', 'why'])
    expect(said.stdout).toMatch(/^version {2}4$/m)
    const [newest] = JSON.parse((await analysis(['versions', 'r', '--json'])).stdout).items
    expect(newest.change_description).toBe('why')
  })

  it('refuses a version whose datasource is gone, and one that is not there', async () => {
    const needs = `export default { dependencies: { analyses: ['only'] }, run: () => 1 }`
    await analysis(['create', '-', '--name', 'n'], needs)
    await analysis(['update', 'n', '-'], first)
    await query(`delete from analyses where name = 'only'`)
    const result = await analysis(['restore', 'n', '1'])
    expect(result).toMatchObject({ exitCode: 65, stdout: '' })
    expect(result.stderr).toContain('[DEPENDENCY_MISSING]')
    expect((await analysis(['restore', 'n', '7'])).exitCode).toBe(66)
    expect((await analysis(['restore', 'n'])).exitCode).toBe(64)
  })
})
