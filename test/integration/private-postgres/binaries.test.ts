import { chmod, cp, lstat, readFile, rm, stat, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { describe, expect, it } from 'vitest'
import {
  defaultBinarySources,
  stopPrivatePostgres,
  systemBinarySources,
} from '../../../src/core/database/private-postgres/index.ts'
import { query } from '../../support/test-server.ts'
import { ensure, isRoot, newDataDir } from './fixture.ts'

const { packageFolder } = defaultBinarySources()
const none = { packageFolder: undefined, systemFolders: [] }

describe.skipIf(packageFolder === undefined)('with the npm package', () => {
  /** A copy of the package as npm leaves it when it runs no install script. */
  async function packageWithoutLinks(): Promise<{ folder: string; links: string[] }> {
    const folder = path.join(await newDataDir(), 'package')
    await cp(packageFolder ?? '', folder, { recursive: true, verbatimSymlinks: true })
    const list = await readFile(path.join(folder, 'native', 'pg-symlinks.json'), 'utf8')
    const links = (JSON.parse(list) as { target: string }[]).map(({ target }) =>
      path.join(folder, target),
    )
    for (const link of links) await rm(link, { force: true })
    return { folder, links }
  }

  it('restores the library links that a skipped install script leaves out', async () => {
    const { folder, links } = await packageWithoutLinks()
    const server = await ensure(await newDataDir(), {
      sources: { packageFolder: folder, systemFolders: [] },
    })
    expect((await query(server.connectionString, 'select 1 as one')).rows).toEqual([{ one: 1 }])
    expect((await lstat(links[0] ?? '')).isSymbolicLink()).toBe(true)
  })

  it("copies the programs when the server's account cannot use them where they are", async () => {
    const { folder } = await packageWithoutLinks()
    // As root: closed to the account that runs the server. Otherwise: no links, nor any to be made.
    const closed = isRoot ? folder : path.join(folder, 'native', 'lib')
    await chmod(closed, isRoot ? 0o700 : 0o555)
    const dataDir = await newDataDir()
    const sources = { packageFolder: folder, systemFolders: [] }
    const server = await ensure(dataDir, { sources })
    await chmod(closed, 0o755)
    expect((await query(server.connectionString, 'select 1 as one')).rows).toEqual([{ one: 1 }])
    expect((await stat(path.join(server.stateFolder, 'binaries'))).isDirectory()).toBe(true)
  })
})

it('names the major version when no programs fit the cluster', async () => {
  const dataDir = await newDataDir()
  const { stateFolder } = await ensure(dataDir)
  await stopPrivatePostgres({ dataDir })
  await writeFile(path.join(stateFolder, 'pgdata', 'PG_VERSION'), '9\n')
  await expect(ensure(dataDir)).rejects.toMatchObject({
    code: 'PRIVATE_POSTGRES_MISSING',
    exitCode: 78,
    message: expect.stringContaining('Postgres 9') as string,
    hint: expect.stringContaining('DATABASE_URL') as string,
    details: { major: 9 },
  })
})

it('says how to go on where there are no programs at all', async () => {
  await expect(ensure(await newDataDir(), { sources: none })).rejects.toMatchObject({
    code: 'PRIVATE_POSTGRES_MISSING',
    exitCode: 78,
    hint: expect.stringContaining('DATABASE_URL') as string,
  })
})

const system = systemBinarySources().systemFolders.filter((folder) => folder.includes('postgresql'))

it.skipIf(system.length === 0)("runs on the system's programs", async () => {
  const server = await ensure(await newDataDir(), { sources: systemBinarySources() })
  expect((await query(server.connectionString, 'select 1 as one')).rows).toEqual([{ one: 1 }])
})
