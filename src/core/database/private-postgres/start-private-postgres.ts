import { setTimeout as delay } from 'node:timers/promises'
import pg from 'pg'
import { KilnError, errorCodeOf } from '../../errors/index.ts'
import { fileExists, systemClock } from '../../os/index.ts'
import { createCluster } from './create-cluster.ts'
import { defaultBinarySources, findBinaries } from './find-binaries.ts'
import type { Layout } from './layout.ts'
import type { PrivatePostgresOptions } from './options.ts'
import { type PrivatePostgres, describeServer, readClusterVersion } from './private-postgres.ts'
import { probeServer } from './probe-server.ts'
import { serverAccount } from './server-account.ts'
import { readServerLog, serverFailure } from './server-failure.ts'
import { type ServerProcess, spawnServer } from './server-process.ts'
import { startArguments } from './server-settings.ts'
import { createSocketFolder } from './socket-folder.ts'
import { disarmStaleFile, isServerProcess } from './stale-postmaster-file.ts'
import { createStateFolder, findLayout } from './state-folder.ts'

/** Recovery after a crash replays at most about a gigabyte of log, which takes seconds. */
const startTimeoutMs = 60_000
const pauseMs = 15

/** Where root keeps the state of data folders that the server's account cannot enter. */
const defaultRelocationFolder = '/var/lib/kiln'

/** The slow path of `ensurePrivatePostgres`: makes what is absent and starts what is down. */
export async function startPrivatePostgres(
  options: PrivatePostgresOptions,
): Promise<PrivatePostgres> {
  const { dataDir, overrides = {}, signal, log } = options
  const account = await serverAccount((await findLayout(dataDir)).pgdata)
  const layout = await createStateFolder(
    dataDir,
    account,
    overrides.relocationFolder ?? defaultRelocationFolder,
  )
  const isNew = !(await fileExists(layout.pgdata))
  const binaries = await findBinaries({
    sources: overrides.sources ?? defaultBinarySources(),
    account,
    major: isNew ? undefined : await readClusterVersion(layout.pgdata),
    copyFolder: layout.binariesFolder,
  })
  if (isNew) {
    log?.info({ folder: layout.stateFolder }, 'Creating the private Postgres')
    const serverSettings = overrides.serverSettings
    await createCluster({ layout, binaries, account, serverSettings, signal })
  }
  const args = await startArguments(binaries, await createSocketFolder(layout, account))
  log?.info({ folder: layout.stateFolder }, 'Starting the private Postgres')
  return bringUp(
    layout,
    () => spawnServer(layout, binaries, account, args),
    overrides.startTimeoutMs ?? startTimeoutMs,
    signal,
  )
}

/**
 * Until the server takes connections: waits while one starts, recovers or stops, and starts one
 * when none runs. Of several that start it at once Postgres lets one through.
 */
async function bringUp(
  layout: Layout,
  spawnOne: () => ServerProcess,
  timeoutMs: number,
  signal: AbortSignal | undefined,
): Promise<PrivatePostgres> {
  const deadline = systemClock.monotonic() + timeoutMs
  let server: ServerProcess | undefined
  try {
    for (;;) {
      signal?.throwIfAborted()
      const probe = await probeServer(layout)
      if (probe.state === 'ready') {
        const described = await describeServer(layout, probe.file)
        if (await takesConnections(described)) return described
      }
      if (systemClock.monotonic() > deadline) throw await tooSlow(layout, server, timeoutMs)
      if (probe.state === 'down' || probe.state === 'silent') {
        if (server?.hasEnded) {
          await throwUnlessRace(layout, server)
          server = undefined
        }
        const isAlive =
          probe.state === 'silent' && (await isServerProcess(layout.pgdata, probe.file))
        if (probe.state === 'silent' && isAlive === false) {
          await disarmStaleFile(layout.pgdata, probe.file)
        }
        // Where it cannot be known whether one lives, Postgres judges.
        if (isAlive !== true) server ??= spawnOne()
      }
      await delay(pauseMs, undefined, signal ? { signal } : undefined).catch(() => undefined)
    }
  } finally {
    await server?.forget()
  }
}

/** Another server had the cluster or the socket, or lives on in its last children: try again. */
const raceTexts =
  /lock file ".*" already exists|shared memory block .* still in use|is already in use/

async function throwUnlessRace(layout: Layout, server: ServerProcess): Promise<void> {
  const output = await server.output()
  await server.forget()
  if (raceTexts.test(output)) return
  const log = /redirecting log output/.test(output) ? await readServerLog(layout) : ''
  throw serverFailure(
    `the private Postgres in ${layout.stateFolder} does not start`,
    log === '' ? output : log,
  )
}

async function tooSlow(
  layout: Layout,
  server: ServerProcess | undefined,
  timeoutMs: number,
): Promise<KilnError> {
  const log = await readServerLog(layout)
  return serverFailure(
    `the private Postgres in ${layout.stateFolder} does not take connections after ${timeoutMs / 1000} s`,
    log === '' ? ((await server?.output()) ?? '') : log,
  )
}

/** A whole connection, since a server that recovers from a crash of a child still says ready. */
async function takesConnections(server: PrivatePostgres): Promise<boolean> {
  const client = new pg.Client({ ...server.connection, connectionTimeoutMillis: 5000 })
  client.on('error', () => undefined)
  try {
    await client.connect()
    return true
  } catch (error) {
    // 53300: too many connections. The server is up, and the caller is told that it is full.
    return errorCodeOf(error) === '53300'
  } finally {
    await client.end().catch(() => undefined)
  }
}
