import { readFileSync, statSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type JobCommands, openJobCommands } from '../support/job-commands.ts'
import { type LanguageServer, startLanguageServer } from '../support/language-server.ts'

const published = path.resolve(import.meta.dirname, '../../types/analysis.d.ts')

let jobs: JobCommands
let editor: LanguageServer
beforeAll(async () => {
  jobs = await openJobCommands()
  editor = await startLanguageServer(jobs.core.folder.path)
})
afterAll(async () => {
  await editor.stop()
  await jobs.close()
})

const init = (...args: string[]) => jobs.run(['analysis', 'init', ...args])
const fileOf = (name: string): string => path.join(jobs.core.folder.path, name)

describe.each([
  ['orders.js', []],
  ['orders.ts', []],
])('kiln analysis init %s', (name) => {
  it('writes a script that is valid and runs as it stands, with its types', async () => {
    const result = await init(name, '--json')
    expect(result).toMatchObject({ exitCode: 0, stderr: '' })
    expect(JSON.parse(result.stdout)).toMatchObject({
      file: name,
      language: name.endsWith('ts') ? 'typescript' : 'javascript',
      types_file: '.kiln/analysis.d.ts',
    })
    expect(readFileSync(fileOf('.kiln/analysis.d.ts'))).toEqual(readFileSync(published))
    expect(statSync(fileOf(name)).mode & 0o777).toBe(0o644)

    const validated = await jobs.run(['analysis', 'validate', name])
    expect(validated).toMatchObject({ exitCode: 0, stdout: `${name}: valid\n` })
    const args = ['analysis', 'run', name, '--project', name, '-p', 'since=2026-01-02', '--json']
    const ran = await jobs.run(args)
    expect(ran.exitCode, ran.stderr).toBe(0)
    expect(ran.stderr).toContain('info  the 3 largest since 2026-01-02')
    expect(JSON.parse(ran.stdout).result).toEqual({
      since: '2026-01-02',
      rows: [100, 99, 98].map((id) => ({ id, amount: id * id })),
    })
  })

  it('is complete for an editor: ctx, parameters and declarations', async () => {
    const file = fileOf(name)
    const script = readFileSync(file, 'utf8')
    expect(await editor.problemsOf(file, script)).toEqual([])

    const within = (code: string) => script.replace('ctx.progress(1', `${code}\nctx.progress(1`)
    const offered = (code: string) => editor.completionsAt(file, within(code))
    expect(await offered('ctx.|>')).toEqual(
      expect.arrayContaining(['datasource', 'duckdb', 'runAnalysis', 'metadata', 'shouldStop']),
    )
    expect(await offered('ctx.duckdb.|>')).toEqual(
      expect.arrayContaining(['query', 'exec', 'load', 'export', 'tables', 'describe']),
    )
    expect(await offered('ctx.datasource.orders.|>')).toEqual(
      expect.arrayContaining(['query', 'stream']),
    )
    expect(await offered('params.|>')).toEqual(expect.arrayContaining(['since', 'top']))
    const declaring = script.replace('  limits:', '  |>\n  limits:')
    expect(await editor.completionsAt(file, declaring)).toEqual(
      expect.arrayContaining(['retries', 'maxConcurrent', 'schedule', 'database']),
    )
  })

  it.each([
    ['ctx.duckdb.qery("select 1")', "Property 'qery' does not exist"],
    ['ctx.progress("half")', 'is not assignable'],
    ['ctx.now = ""', 'read-only'],
    ['params.tip', "Property 'tip' does not exist"],
    ['await ctx.duckdb.load("orders", "select 1")', 'Expected 3-4 arguments'],
  ])('shows %s as a mistake', async (code, message) => {
    const file = fileOf(name)
    const script = readFileSync(file, 'utf8').replace('ctx.progress(1', `${code}\nctx.progress(1`)
    expect((await editor.problemsOf(file, script)).join('\n')).toContain(message)
  })

  it.each([
    ["type: 'integer'", "type: 'int'", '"int"'],
    ['limits: {', 'limit: {', "'limit' does not exist"],
    ["memory: '128MB'", 'memory: true', 'is not assignable'],
  ])('shows %s written as %s as a mistake', async (right, wrong, message) => {
    const file = fileOf(name)
    const script = readFileSync(file, 'utf8').replace(right, wrong)
    expect((await editor.problemsOf(file, script)).join('\n')).toContain(message)
  })
})

describe('kiln analysis init', () => {
  it('names the file itself, and never writes over one without --force', async () => {
    const first = await init()
    expect(first).toMatchObject({
      exitCode: 0,
      stdout: 'wrote analysis.js; try: kiln analysis run analysis.js\n',
    })
    expect((await init('--ts', '-o', 'name')).stdout).toBe('analysis.ts\n')
    writeFileSync(fileOf('analysis.js'), 'mine')
    const again = await init('analysis.js')
    expect(again).toMatchObject({ exitCode: 73, stdout: '' })
    expect(again.stderr).toContain('analysis.js exists [FILE_EXISTS]')
    expect(readFileSync(fileOf('analysis.js'), 'utf8')).toBe('mine')
    expect(await init('analysis.js', '--force')).toMatchObject({ exitCode: 0 })
    expect(readFileSync(fileOf('analysis.js'), 'utf8')).toContain("title: 'analysis'")
  })

  it('keeps types of another release unless forced', async () => {
    const types = fileOf('.kiln/analysis.d.ts')
    writeFileSync(types, 'export type Analysis = unknown')
    const kept = await init('kept.ts')
    expect(kept).toMatchObject({ exitCode: 0 })
    expect(kept.stderr).toContain('--force writes it anew')
    expect(readFileSync(types, 'utf8')).toBe('export type Analysis = unknown')
    await init('kept.ts', '--force')
    expect(readFileSync(types)).toEqual(readFileSync(published))
  })

  it('takes any name for its title', async () => {
    await init(`o'brien\\s.js`)
    expect(await jobs.run(['analysis', 'validate', `o'brien\\s.js`])).toMatchObject({ exitCode: 0 })
  })

  it.each([
    [['notes.txt'], 64],
    [['orders.js', '--ts'], 64],
    [['no-folder/a.js'], 66],
  ])('refuses %j with %i', async (args, exitCode) => {
    const result = await init(...args)
    expect(result).toMatchObject({ exitCode, stdout: '' })
    expect(result.stderr).toMatch(/^error: /)
  })
})
