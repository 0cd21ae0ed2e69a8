import { spawn } from 'node:child_process'
import { chown, readFile, rm, stat, utimes, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import path from 'node:path'
import pg from 'pg'
import { expect, it } from 'vitest'
import {
  ensurePrivatePostgres,
  stopPrivatePostgres,
} from '../../../src/core/database/private-postgres/index.ts'
import { isProcessRunning } from '../../../src/core/os/index.ts'
import { runKiln } from '../../support/kiln.ts'
import { query } from '../../support/test-server.ts'
import { waitUntil } from '../../support/wait-until.ts'
import { afterThisTest, dataDirWithCluster, ensure, newDataDir } from './fixture.ts'

const postmasterFile = (stateFolder: string): string =>
  path.join(stateFolder, 'pgdata', 'postmaster.pid')

it('makes one server when ten commands come at once', async () => {
  const dataDir = await newDataDir()
  const commands = Array.from({ length: 10 }, () =>
    runKiln(['db', 'start', '--json'], { env: { ANALYSIS_DATA_DIR: dataDir } }),
  )
  const results = await Promise.all(commands)
  expect(results.map((result) => [result.exitCode, result.stderr.match(/error/)])).toEqual(
    results.map(() => [0, null]),
  )
  expect(new Set(results.map((result) => result.stdout)).size).toBe(1)
})

it('loses no committed row when the server is killed, and starts again for all who ask', async () => {
  const dataDir = await dataDirWithCluster()
  const server = await ensure(dataDir)
  const client = new pg.Client(server.connection)
  client.on('error', () => undefined)
  await client.connect()
  await client.query('create table kept (n integer)')
  let acknowledged = 0
  const writing = (async () => {
    for (;;) {
      await client.query('insert into kept values ($1)', [acknowledged + 1])
      acknowledged += 1
    }
  })().catch(() => undefined)
  await waitUntil('some rows are acknowledged', () => acknowledged > 50)
  process.kill(server.serverPid, 'SIGKILL')
  await writing
  await client.end().catch(() => undefined)

  const servers = await Promise.all([ensure(dataDir), ensure(dataDir), ensure(dataDir)])
  expect(new Set(servers.map(({ serverPid }) => serverPid)).size).toBe(1)
  expect(servers[0]?.serverPid).not.toBe(server.serverPid)
  const { rows } = await query(server.connectionString, 'select max(n) as most from kept')
  // The last insert may have been committed and not acknowledged.
  expect(rows[0].most - acknowledged).toBeOneOf([0, 1])
})

it('starts again after a kill though nobody collects the dead process', async () => {
  const dataDir = await dataDirWithCluster()
  const env = { ANALYSIS_DATA_DIR: dataDir }
  const first = JSON.parse((await runKiln(['db', 'start', '--json'], { env })).stdout)
  // Its parent has ended; where pid 1 collects no orphans, its pid stays taken for ever.
  process.kill(first.pid, 'SIGKILL')
  const again = await runKiln(['db', 'start', '--json'], { env })
  expect(again.exitCode).toBe(0)
  expect(JSON.parse(again.stdout).pid).not.toBe(first.pid)
})

it('is not taken for running while a child of a killed server still holds its socket', async () => {
  const dataDir = await dataDirWithCluster()
  const server = await ensure(dataDir)
  process.kill(server.serverPid, 'SIGKILL')
  await waitUntil('the server is gone', () => !isProcessRunning(server.serverPid))
  const socket = path.join(server.socketFolder, '.s.PGSQL.5432')
  await rm(socket)
  let knocks = 0
  const child = createServer((connection) => {
    connection.destroy()
    knocks += 1
    // It ends once it has seen that the server is gone.
    if (knocks === 2) child.close()
  })
  const listening = Promise.withResolvers<void>()
  child.listen(socket, listening.resolve)
  await listening.promise
  const again = await ensure(dataDir)
  expect((await query(again.connectionString, 'select 1 as one')).rows).toEqual([{ one: 1 }])
})

it('never runs beside the children of a killed server', async () => {
  const dataDir = await dataDirWithCluster()
  const server = await ensure(dataDir)
  const client = new pg.Client(server.connection)
  client.on('error', () => undefined)
  await client.connect()
  const { rows } = await client.query('select pg_backend_pid() as pid')
  process.kill(rows[0].pid, 'SIGSTOP')
  process.kill(server.serverPid, 'SIGKILL')
  await waitUntil('the server is gone', () => !isProcessRunning(server.serverPid))
  // Even without the dead server's file, which a start may have to remove.
  await rm(postmasterFile(server.stateFolder))
  await expect(ensure(dataDir, { startTimeoutMs: 500 })).rejects.toMatchObject({
    code: 'PRIVATE_POSTGRES_FAILED',
    hint: expect.stringContaining('still in use') as string,
  })
  process.kill(rows[0].pid, 'SIGCONT')
  await ensure(dataDir)
  await client.end().catch(() => undefined)
})

it("starts although a dead server's pid now belongs to another process of its account", async () => {
  const dataDir = await dataDirWithCluster()
  const server = await ensure(dataDir)
  const file = postmasterFile(server.stateFolder)
  const { uid, gid } = await stat(file)
  const left = await readFile(file, 'utf8')
  await stopPrivatePostgres({ dataDir })
  const other = spawn('sleep', ['1000'], { stdio: 'ignore', uid, gid, cwd: '/' })
  afterThisTest(async () => void other.kill('SIGKILL'))
  // The cluster and its socket have a lock file each, of the same form.
  for (const lock of [file, path.join(server.socketFolder, '.s.PGSQL.5432.lock')]) {
    await writeFile(lock, left.replace(/^\d+/, String(other.pid)))
    await chown(lock, uid, gid)
  }
  expect(await stopPrivatePostgres({ dataDir })).toBe(false)
  expect(isProcessRunning(other.pid ?? 0)).toBe(true)
  const again = await ensure(dataDir)
  expect((await query(again.connectionString, 'select 1 as one')).rows).toEqual([{ one: 1 }])
})

it('starts although a power cut left an empty lock file', async () => {
  const dataDir = await dataDirWithCluster()
  const server = await ensure(dataDir)
  await stopPrivatePostgres({ dataDir })
  const file = postmasterFile(server.stateFolder)
  await writeFile(file, '')
  const longAgo = Date.now() / 1000 - 3600
  await utimes(file, longAgo, longAgo)
  expect(await stopPrivatePostgres({ dataDir })).toBe(false)
  const again = await ensure(dataDir)
  expect((await query(again.connectionString, 'select 1 as one')).rows).toEqual([{ one: 1 }])
})

it('waits for a server that starts, and gives up with its last log lines', async () => {
  const dataDir = await dataDirWithCluster()
  const server = await ensure(dataDir)
  const file = postmasterFile(server.stateFolder)
  const starting = (await readFile(file, 'utf8')).replace('ready   ', 'starting')
  await stopPrivatePostgres({ dataDir })
  const impostor = createServer((socket) => socket.destroy())
  const listening = Promise.withResolvers<void>()
  impostor.listen(path.join(server.socketFolder, '.s.PGSQL.5432'), listening.resolve)
  await listening.promise
  await writeFile(file, starting)
  try {
    await expect(ensure(dataDir, { startTimeoutMs: 200 })).rejects.toMatchObject({
      code: 'PRIVATE_POSTGRES_FAILED',
      hint: expect.stringContaining('database system is shut down') as string,
    })
  } finally {
    const closed = Promise.withResolvers<void>()
    impostor.close(() => closed.resolve())
    await closed.promise
  }
})

it('shows what the server said when it refuses its configuration', async () => {
  const dataDir = await dataDirWithCluster()
  const server = await ensure(dataDir)
  await stopPrivatePostgres({ dataDir })
  const file = path.join(server.stateFolder, 'pgdata', 'postgresql.conf')
  await writeFile(file, `${await readFile(file, 'utf8')}\nno_such_setting = 1\n`)
  await expect(ensure(dataDir)).rejects.toMatchObject({
    code: 'PRIVATE_POSTGRES_FAILED',
    exitCode: 69,
    hint: expect.stringContaining('no_such_setting') as string,
  })
})

it('ends when the caller is interrupted while it waits', async () => {
  const dataDir = await newDataDir()
  const reason = new Error('enough')
  await expect(ensurePrivatePostgres({ dataDir, signal: AbortSignal.abort(reason) })).rejects.toBe(
    reason,
  )
})
