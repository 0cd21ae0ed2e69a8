import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type JobCommands, openJobCommands } from '../support/job-commands.ts'

const declaring = (dependencies: object, title?: string): string =>
  `export default ${JSON.stringify({ ...(title ? { title } : {}), dependencies }).replace(
    /}$/,
    ', run: () => 1 }',
  )}\n`

let jobs: JobCommands
beforeAll(async () => {
  jobs = await openJobCommands()
  const files = {
    'one.js': declaring({ analyses: ['two'] }),
    'two.js': declaring({ analyses: ['the-third'] }),
    'three.js': declaring({ analyses: ['one'] }, 'The third!'),
    'self.js': declaring({ analyses: ['self'] }),
    'free.js': declaring({}),
    'needs.js': declaring({ datasources: ['flights', 'wether'], analyses: ['free', 'stord'] }),
    'closes.js': declaring({ analyses: ['parent'] }),
    'broken.js': 'export default {',
  }
  for (const [name, source] of Object.entries(files)) await jobs.script(name, source)
})
afterAll(() => jobs.close())

const validate = (...args: string[]) => jobs.run(['analysis', 'validate', ...args])
const noDatabase = { env: { DATABASE_URL: 'postgresql://127.0.0.1:1/none' } }

describe('kiln analysis validate with dependencies', () => {
  it('finds circles among the scripts that are given, without a database', async () => {
    const args = ['analysis', 'validate', 'one.js', 'two.js', 'three.js', 'free.js', 'self.js']
    const result = await jobs.run(args, noDatabase)
    expect(result).toMatchObject({ exitCode: 1, stderr: '' })
    const circle = (way: string) =>
      `dependencies.analyses: the analyses depend on each other in a circle: ${way}`
    expect(result.stdout.split('\n')).toEqual([
      `one.js: ${circle('one -> two -> the-third -> one')}`,
      `two.js: ${circle('two -> the-third -> one -> two')}`,
      `three.js: ${circle('the-third -> one -> two -> the-third')}`,
      'free.js: valid',
      `self.js: ${circle('self -> self')}`,
      '',
    ])
    // Without the third there is no circle to see.
    expect(await validate('one.js', 'two.js', 'needs.js')).toMatchObject({ exitCode: 0 })
  })

  it('looks for what is declared in a project, and among the scripts', async () => {
    await jobs.sql(`insert into analyses (name, title, script_content, project_id)
      values ('stored', 'x', 'export default () => 1', 'shop')`)
    await jobs.sql(`insert into analysis_datasources (project_id, name, type)
      values ('shop', 'weather', 'file')`)
    const result = await validate('needs.js', 'free.js', 'broken.js', '--project', 'shop', '--json')
    expect(result).toMatchObject({ exitCode: 1, stderr: '' })
    const [needs, free, broken] = JSON.parse(result.stdout).items
    expect(needs).toMatchObject({
      file: 'needs.js',
      valid: false,
      problems: [
        {
          path: 'dependencies.datasources',
          message: 'project "shop" has no datasource "flights"',
          code: 'DEPENDENCY_MISSING',
        },
        {
          message: 'project "shop" has no datasource "wether", did you mean "weather"?',
        },
        {
          path: 'dependencies.analyses',
          message: 'project "shop" has no analysis "stord", did you mean "stored"?',
        },
      ],
    })
    expect(free.valid).toBe(true)
    expect(broken.problems).toHaveLength(1)
    const empty = await validate('needs.js', '--project', 'new', '--json')
    expect(JSON.parse(empty.stdout).items[0].problems).toHaveLength(4)
  })

  it('finds a circle through what is stored', async () => {
    await jobs.sql(`insert into analyses (name, title, script_content, project_id)
      values ('parent', 'x', 'export default () => 1', 'ring')`)
    await jobs.sql(`insert into analysis_dependencies (analysis_id, dependency_type, dependency_name)
      select id, 'analysis', 'closes' from analyses where project_id = 'ring'`)
    const result = await validate('closes.js', '--project', 'ring')
    expect(result.exitCode).toBe(1)
    expect(result.stdout).toContain('in a circle: closes -> parent -> closes')
    // The file replaces what is stored under its name.
    const file = await jobs.script('parent.js', declaring({}))
    expect(await validate('closes.js', file, '--project', 'ring')).toMatchObject({ exitCode: 0 })
  })

  it('needs a database for --project only', async () => {
    const args = ['analysis', 'validate', 'free.js']
    expect(await jobs.run(args, noDatabase)).toMatchObject({ exitCode: 0 })
    expect((await jobs.run([...args, '--project', 'shop'], noDatabase)).exitCode).toBe(69)
  })
})
