import { mkdir, readFile, readdir, rename, stat, utimes, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { expect, it } from 'vitest'
import {
  ensurePrivatePostgres,
  privatePostgresStatus,
  stopPrivatePostgres,
} from '../../../src/core/database/private-postgres/index.ts'
import { isProcessRunning } from '../../../src/core/os/index.ts'
import { query } from '../../support/test-server.ts'
import { dataDirWithCluster, ensure, newDataDir } from './fixture.ts'

it('makes a server that is closed to others, syncs, and listens on no network', async () => {
  const dataDir = await newDataDir()
  const server = await ensurePrivatePostgres({ dataDir })
  expect(server).toMatchObject({ user: 'kiln', database: 'kiln', version: '15' })
  expect((await stat(server.stateFolder)).mode & 0o777).toBe(0o700)
  expect((await stat(server.socketFolder)).mode & 0o777).toBe(0o700)
  const { rows } = await query(
    server.connectionString,
    `select name, setting from pg_settings
     where name in ('fsync', 'listen_addresses', 'data_checksums', 'max_connections', 'TimeZone',
                    'shared_preload_libraries', 'server_encoding', 'unix_socket_permissions')`,
  )
  expect(Object.fromEntries(rows.map((row) => [row.name, row.setting]))).toEqual({
    fsync: 'on',
    listen_addresses: '',
    data_checksums: 'on',
    max_connections: '100',
    TimeZone: 'UTC',
    shared_preload_libraries: 'pg_stat_statements',
    server_encoding: 'UTF8',
    unix_socket_permissions: '0700',
  })
})

it('finds the running server again', async () => {
  const dataDir = await dataDirWithCluster()
  const first = await ensure(dataDir)
  expect(await ensure(dataDir)).toEqual(first)
})

it('keeps data over a stop, and stopping twice is no error', async () => {
  const dataDir = await dataDirWithCluster()
  const first = await ensure(dataDir)
  await query(first.connectionString, 'create table kept as select 42 as answer')
  expect(await stopPrivatePostgres({ dataDir })).toBe(true)
  expect(isProcessRunning(first.serverPid)).toBe(false)
  expect(await stopPrivatePostgres({ dataDir })).toBe(false)
  const second = await ensure(dataDir)
  const { rows } = await query(second.connectionString, 'select answer from kept')
  expect(rows).toEqual([{ answer: 42 }])
})

it('tells absent, running and stopped apart and starts nothing by looking', async () => {
  const dataDir = await newDataDir()
  expect(await privatePostgresStatus({ dataDir })).toMatchObject({ state: 'absent', pid: null })
  const server = await ensure(dataDir)
  const running = await privatePostgresStatus({ dataDir })
  expect(running).toMatchObject({
    state: 'running',
    pid: server.serverPid,
    version: '15',
    connectionString: server.connectionString,
  })
  expect(running.sizeBytes).toBeGreaterThan(1_000_000)
  await stopPrivatePostgres({ dataDir })
  expect(await privatePostgresStatus({ dataDir })).toMatchObject({ state: 'stopped', pid: null })
})

it('makes and starts no more than it may', async () => {
  const down = (problem: string) =>
    expect.objectContaining({
      code: 'PRIVATE_POSTGRES_DOWN',
      message: expect.stringContaining(problem),
    })
  const none = path.join(await newDataDir(), 'none')
  for (const privateServer of ['start', 'use'] as const) {
    await expect(ensurePrivatePostgres({ dataDir: none, privateServer })).rejects.toEqual(
      down('has no private Postgres yet'),
    )
  }
  await expect(stat(none)).rejects.toThrow('ENOENT')

  const dataDir = await dataDirWithCluster()
  await expect(ensurePrivatePostgres({ dataDir, privateServer: 'use' })).rejects.toEqual(
    down('does not run'),
  )
  const { serverPid } = await ensurePrivatePostgres({ dataDir, privateServer: 'start' })
  expect(await ensurePrivatePostgres({ dataDir, privateServer: 'use' })).toMatchObject({
    serverPid,
  })
})

it('uses a short folder when the path is too long for a socket', async () => {
  const dataDir = path.join(await newDataDir(), 'x'.repeat(60), 'y'.repeat(60), 'analysis-data')
  const server = await ensure(dataDir)
  try {
    expect(server.socketFolder.length).toBeLessThan(60)
    expect((await stat(server.socketFolder)).mode & 0o777).toBe(0o700)
    expect((await query(server.connectionString, 'select 1 as one')).rows).toEqual([{ one: 1 }])
    expect(await ensure(dataDir)).toEqual(server)
  } finally {
    await stopPrivatePostgres({ dataDir })
  }
  await expect(stat(server.socketFolder)).rejects.toThrow('ENOENT')
})

it('removes what a maker that died half way has left, but not what may still be in the making', async () => {
  const dataDir = await dataDirWithCluster()
  const stateFolder = path.join(dataDir, 'postgres')
  await rename(path.join(stateFolder, 'pgdata'), path.join(stateFolder, 'old'))
  for (const [name, hours] of [
    ['pgdata.tmp.1-dead', 2],
    ['pgdata.tmp.2-busy', 0],
  ] as const) {
    const folder = path.join(stateFolder, name)
    await mkdir(folder)
    await writeFile(path.join(folder, 'PG_VERSION'), '15\n')
    const time = Date.now() / 1000 - hours * 3600
    await utimes(folder, time, time)
  }
  await ensure(dataDir)
  const names = await readdir(stateFolder)
  expect(names).toContain('pgdata.tmp.2-busy')
  expect(names).not.toContain('pgdata.tmp.1-dead')
})

it('writes its log into the state folder', async () => {
  const dataDir = await dataDirWithCluster()
  const server = await ensure(dataDir)
  const { logFolder } = await privatePostgresStatus({ dataDir })
  const names = await readdir(logFolder)
  expect(names).toEqual([expect.stringMatching(/^postgres-\w{3}\.log$/)])
  const text = await readFile(path.join(logFolder, names[0] ?? ''), 'utf8')
  expect(text).toContain('ready to accept connections')
  expect(logFolder.startsWith(server.stateFolder)).toBe(true)
})
