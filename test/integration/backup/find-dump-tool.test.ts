/** Which pg_dump is taken, of those that a machine has. */
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest'
import { findDumpTool } from '../../../src/core/backup/postgres/find-dump-tool.ts'
import { type TestContext, openTestContext } from '../../support/core-context.ts'

let core: TestContext
let serverMajor: number
const usualPath = process.env.PATH
beforeAll(async () => {
  core = await openTestContext()
  const { rows } = await core.context.database.pool.query<{ major: number }>(
    `select current_setting('server_version_num')::integer / 10000 as major`,
  )
  serverMajor = rows[0]?.major ?? 0
})
afterEach(() => {
  process.env.PATH = usualPath
})
afterAll(() => core.close())

/** A folder with a program that says to be of this version. */
function folderWith(name: string, words: string, mode = 0o755): string {
  const folder = path.join(core.folder.path, name, 'bin')
  mkdirSync(folder, { recursive: true })
  writeFileSync(path.join(folder, 'pg_dump'), `#!/bin/sh\n${words}\n`)
  chmodSync(path.join(folder, 'pg_dump'), mode)
  return folder
}
const says = (version: string): string => `echo "pg_dump (PostgreSQL) ${version}"`
const find = (folders: readonly string[], parents: readonly string[] = []) => {
  process.env.PATH = ['relative', ...folders].join(':')
  return findDumpTool(core.context, 'pg_dump', 0, parents)
}

it('none: the package is named', async () => {
  await expect(find(['/nowhere'])).rejects.toMatchObject({
    code: 'TOOL_MISSING',
    exitCode: 78,
    hint: expect.stringContaining(`postgresql-client-${serverMajor}`) as string,
  })
})

it('one that is older than the server refuses, whatever it is called by', async () => {
  const older = folderWith('older', says(`${serverMajor - 1}.7`))
  await expect(find([older])).rejects.toMatchObject({
    code: 'TOOL_MISSING',
    message: `pg_dump ${serverMajor - 1}.7 is older than the server, which is Postgres ${serverMajor}`,
  })
})

it('of several the one of the server, else the next newer one; what does not run is none', async () => {
  const older = folderWith('old', says(`${serverMajor - 1}.7`))
  const same = folderWith('same', says(`${serverMajor}.1 (Debian)`))
  const newer = folderWith('newer', says(`${serverMajor + 1}.0`))
  const newest = folderWith('newest', says(`${serverMajor + 4}.0`))
  const broken = folderWith('broken', 'exit 3')
  const silent = folderWith('silent', 'echo hello')
  const notRunnable = folderWith('not-runnable', says(`${serverMajor}.9`), 0o644)
  mkdirSync(path.join(core.folder.path, 'folder/bin/pg_dump'), { recursive: true })
  const isFolder = path.join(core.folder.path, 'folder/bin')
  const odd = [broken, silent, notRunnable, isFolder]
  expect((await find([older, newest, newer, same, ...odd])).file).toBe(path.join(same, 'pg_dump'))
  expect((await find([newest, older, ...odd, newer])).file).toBe(path.join(newer, 'pg_dump'))
  // Where packages put them, though PATH has another.
  const parents = [core.folder.path, '/nowhere']
  expect((await find([older], parents)).file).toBe(path.join(same, 'pg_dump'))
})
