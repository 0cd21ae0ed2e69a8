import { execFile } from 'node:child_process'
import { chmod, chown, mkdir, readFile, readdir, rm, stat } from 'node:fs/promises'
import path from 'node:path'
import { promisify } from 'node:util'
import { expect, it } from 'vitest'
import {
  privatePostgresStatus,
  stopPrivatePostgres,
} from '../../../src/core/database/private-postgres/index.ts'
import { query } from '../../support/test-server.ts'
import {
  afterThisTest,
  asOrdinaryUser,
  dataDirWithCluster,
  ensure,
  isRoot,
  newDataDir,
} from './fixture.ts'

const run = promisify(execFile)

it.skipIf(!isRoot)('runs under another account as root, which owns the state', async () => {
  const dataDir = await newDataDir()
  const server = await ensure(dataDir)
  const { uid } = await stat(path.join(server.stateFolder, 'pgdata'))
  expect(uid).not.toBe(0)
  expect((await stat(`/proc/${server.serverPid}`)).uid).toBe(uid)
  const environment = await readFile(`/proc/${server.serverPid}/environ`, 'utf8')
  expect(environment).not.toContain('HOME=')
})

it.skipIf(!isRoot)("moves the state when root's data folder is closed to the account", async () => {
  const dataDir = await newDataDir()
  const relocationFolder = path.join(await newDataDir(), 'var')
  await chmod(dataDir, 0o700)
  const server = await ensure(dataDir, { relocationFolder })
  expect(server.stateFolder.startsWith(`${relocationFolder}/`)).toBe(true)
  expect((await stat(server.stateFolder)).mode & 0o777).toBe(0o700)
  await query(server.connectionString, 'create table kept ()')
  await stopPrivatePostgres({ dataDir })
  // The record decides from now on, wherever the folder may be.
  const again = await ensure(dataDir, { relocationFolder: '/nowhere' })
  expect(again.stateFolder).toBe(server.stateFolder)
  expect(await privatePostgresStatus({ dataDir })).toMatchObject({ state: 'running' })
  await query(again.connectionString, 'select from kept')
  // Removed by hand, it is made anew in the same place.
  await stopPrivatePostgres({ dataDir })
  await rm(relocationFolder, { recursive: true })
  expect((await ensure(dataDir)).stateFolder).toBe(server.stateFolder)
})

it.skipIf(!isRoot)('never gives away a folder that someone else prepared', async () => {
  const dataDir = await newDataDir()
  await mkdir(path.join(dataDir, 'postgres'))
  await mkdir(path.join(dataDir, 'postgres', 'precious'))
  await expect(ensure(dataDir)).rejects.toMatchObject({ exitCode: 77 })
  expect((await stat(path.join(dataDir, 'postgres'))).uid).toBe(0)
})

it.skipIf(!isRoot)("refuses an ordinary user the server of root's data folder", async () => {
  const dataDir = await dataDirWithCluster()
  await ensure(dataDir)
  const calls: readonly (() => Promise<unknown>)[] = [
    () => ensure(dataDir),
    () => privatePostgresStatus({ dataDir }),
    () => stopPrivatePostgres({ dataDir }),
  ]
  for (const call of calls) {
    await expect(asOrdinaryUser(call)).rejects.toMatchObject({
      code: 'PERMISSION_DENIED',
      exitCode: 77,
      message: expect.stringContaining('belongs to') as string,
    })
  }
})

it.skipIf(!isRoot)("runs an ordinary user's server as that user for root", async () => {
  const dataDir = await dataDirWithCluster()
  const { stateFolder } = await ensure(dataDir)
  await stopPrivatePostgres({ dataDir })
  await run('chown', ['-R', '65534:65534', stateFolder])
  const server = await ensure(dataDir)
  expect((await stat(`/proc/${server.serverPid}`)).uid).toBe(65_534)
})

it.skipIf(!isRoot)('refuses a cluster whose owner has no name', async () => {
  const dataDir = await dataDirWithCluster()
  const { stateFolder } = await ensure(dataDir)
  await stopPrivatePostgres({ dataDir })
  await chown(path.join(stateFolder, 'pgdata'), 987_654, 987_654)
  await expect(ensure(dataDir)).rejects.toMatchObject({
    code: 'PERMISSION_DENIED',
    message: expect.stringContaining('987654') as string,
  })
})

it('names the folder that may not be written', async () => {
  const parent = await newDataDir()
  await chmod(parent, 0o555)
  afterThisTest(() => chmod(parent, 0o755))
  const dataDir = path.join(parent, 'analysis-data')
  await expect(asOrdinaryUser(() => ensure(dataDir))).rejects.toMatchObject({
    code: 'PERMISSION_DENIED',
    message: expect.stringContaining(dataDir) as string,
  })
})

it.skipIf(!isRoot)('says that the disk is full and leaves no half cluster', async (context) => {
  const dataDir = await newDataDir()
  const mounted = await run('mount', ['-t', 'tmpfs', '-o', 'size=8m', 'tmpfs', dataDir]).catch(
    () => undefined,
  )
  if (!mounted) return context.skip('this container may not mount')
  afterThisTest(async () => void (await run('umount', [dataDir])))
  await chmod(dataDir, 0o711)
  await expect(ensure(dataDir)).rejects.toMatchObject({ code: 'DISK_FULL', exitCode: 73 })
  expect(await readdir(path.join(dataDir, 'postgres'))).toEqual(['log'])
})
