import { spawnSync } from 'node:child_process'
import { readFileSync, readdirSync } from 'node:fs'
import { cp, mkdir, symlink } from 'node:fs/promises'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type TestDatabase, createTestDatabase } from '../support/database.ts'
import { type TemporaryFolder, createTemporaryFolder } from '../support/temporary-folder.ts'

const root = path.resolve(import.meta.dirname, '../..')
let database: TestDatabase
let folder: TemporaryFolder

beforeAll(async () => {
  database = await createTestDatabase()
  folder = await createTemporaryFolder()
})
afterAll(async () => {
  await database.drop()
  await folder.remove()
})

/** Text of all parts of the build that a command loads: Node's coverage names every loaded file. */
function loadedBy(...args: string[]): string {
  const coverage = path.join(folder.path, args.join('-').replaceAll(/[^a-z-]/g, ''))
  const { status } = spawnSync(path.join(root, 'bin/kiln'), args, {
    env: {
      PATH: process.env.PATH,
      DATABASE_URL: database.connectionString,
      ANALYSIS_DATA_DIR: folder.path,
      NODE_V8_COVERAGE: coverage,
    },
  })
  expect(status).toBe(0)
  const loaded = readdirSync(coverage).flatMap((file) => {
    const report = JSON.parse(readFileSync(path.join(coverage, file), 'utf8')) as {
      result: { url: string }[]
    }
    return report.result.map(({ url }) => url)
  })
  return loaded
    .filter((url) => url.includes('/dist/'))
    .map((url) => readFileSync(new URL(url), 'utf8'))
    .join('\n')
}

// Texts that stand in the bundled package and nowhere else.
const marks = {
  oclif: 'oclif.manifest.json',
  kysely: 'SelectQueryNode',
  zod: 'ZodError',
  pino: 'pino-pretty',
  semver: 'Invalid comparator',
  'isolated-vm': '(`isolated-vm`)',
  duckdb: '(`@duckdb/node-bindings`)',
}

const found = (text: string): string[] =>
  Object.entries(marks).flatMap(([name, mark]) => (text.includes(mark) ? [name] : []))

test('runs from a folder whatever its name', async () => {
  const home = path.join(folder.path, 'a#b ?%41 c')
  await mkdir(home)
  for (const part of ['bin', 'dist', 'migrations', 'package.json', 'oclif.manifest.json']) {
    await cp(path.join(root, part), path.join(home, part), { recursive: true })
  }
  await symlink(path.join(root, 'node_modules'), path.join(home, 'node_modules'))
  const run = (...args: string[]) =>
    spawnSync(path.join(home, 'bin/kiln'), args, {
      encoding: 'utf8',
      // Where a relative folder would be looked for.
      env: { PATH: process.env.PATH, DATABASE_URL: database.connectionString, CDPATH: root },
    })
  expect(run('job', 'list', '--json')).toMatchObject({ status: 0, stderr: '' })
  expect(run('job', 'list', '--help')).toMatchObject({ status: 0, stderr: '' })
  const sandboxed = run('analysis', 'validate', path.join(root, 'examples/airport-punctuality.js'))
  expect(sandboxed).toMatchObject({ status: 0, stderr: '' })
})

describe('what a command loads', () => {
  test('--version loads neither oclif nor anything of the database', () => {
    const text = loadedBy('--version')
    expect(found(text)).toEqual([])
  })

  test('a command that reads loads no zod, logger, semver or native package', () => {
    const text = loadedBy('job', 'list', '--json')
    expect(found(text)).toEqual(['oclif', 'kysely'])
  })
})
