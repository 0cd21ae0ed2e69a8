import { setTimeout as delay } from 'node:timers/promises'
import pg from 'pg'
import { type KilnError, errorCodeOf } from '../../errors/index.ts'
import { type Account, systemClock } from '../../os/index.ts'
import type { Layout } from './layout.ts'
import type { PrivatePostgresOptions } from './options.ts'
import { prepareServer } from './prepare-server.ts'
import { type PrivatePostgres, describeServer } from './private-postgres.ts'
import { type Probe, probeServer } from './probe-server.ts'
import { serverAccount } from './server-account.ts'
import { readServerLog, serverFailure } from './server-failure.ts'
import type { ServerProcess } from './server-process.ts'
import { isServerProcess, removeStaleFile } from './stale-postmaster-file.ts'
import { StartTurn } from './start-turn.ts'
import { createStateFolder, findLayout } from './state-folder.ts'

/** Recovery after a crash replays at most about a gigabyte of log, which takes seconds. */
const startTimeoutMs = 60_000
const pauseMs = 15
/** Between starts that met another server's children or lock. */
const raceMs = 100

/** Where root keeps the state of data folders that the server's account cannot enter. */
const defaultRelocationFolder = '/var/lib/kiln'

/** The slow path of `ensurePrivatePostgres`: makes what is absent and starts what is down. */
export async function startPrivatePostgres(
  options: PrivatePostgresOptions,
): Promise<PrivatePostgres> {
  const { dataDir, overrides = {} } = options
  const account = await serverAccount((await findLayout(dataDir)).pgdata)
  const layout = await createStateFolder(
    dataDir,
    account,
    overrides.relocationFolder ?? defaultRelocationFolder,
  )
  const turn = new StartTurn(layout)
  try {
    return await bringUp(options, layout, account, turn)
  } finally {
    turn.release()
  }
}

/**
 * Until the server takes connections: waits while one starts, recovers or stops, and starts one
 * when none runs.
 */
async function bringUp(
  options: PrivatePostgresOptions,
  layout: Layout,
  account: Account | undefined,
  turn: StartTurn,
): Promise<PrivatePostgres> {
  const { signal, overrides = {} } = options
  const timeoutMs = overrides.startTimeoutMs ?? startTimeoutMs
  let deadline = systemClock.monotonic() + timeoutMs
  let launch: (() => Promise<ServerProcess>) | undefined
  let server: ServerProcess | undefined
  let lastWords = ''
  try {
    for (;;) {
      signal?.throwIfAborted()
      const probe = await probeServer(layout)
      if (probe.state === 'ready') {
        const described = await describeServer(layout, probe.file)
        if (await takesConnections(described)) return described
      }
      if (systemClock.monotonic() > deadline) {
        throw await tooSlow(layout, lastWords, timeoutMs)
      }
      if (server?.hasEnded) {
        lastWords = await throwUnlessRace(layout, server)
        server = undefined
        await delay(raceMs)
      }
      if (!server && (await mayStart(layout, probe))) {
        if (turn.isMine) {
          if (probe.state === 'silent') await removeStaleFile(layout.pgdata, probe.file)
          if (!launch) {
            launch = await prepareServer(options, layout, account)
            // Making a cluster has a limit of its own.
            deadline = systemClock.monotonic() + timeoutMs
          }
          server = await launch()
        } else if (await turn.tryTake()) {
          // Look again: whoever had the turn before may have started it.
          continue
        }
      }
      await delay(pauseMs, undefined, signal ? { signal } : undefined).catch(() => undefined)
    }
  } finally {
    await server?.forget()
  }
}

/** True when no server lives, as far as can be known; in doubt Postgres itself judges. */
async function mayStart(layout: Layout, probe: Probe): Promise<boolean> {
  if (probe.state === 'down') return true
  return probe.state === 'silent' && (await isServerProcess(layout.pgdata, probe.file)) !== true
}

/** Another server has the cluster, takes it at this moment, or lives on in its last children. */
const raceTexts = [
  /lock file ".*" (already exists|is empty)/,
  /lock file "postmaster.pid": No such file/,
  /shared memory block .* still in use/,
]

/** What the server said, if it ended for want of a place that may yet become free. */
async function throwUnlessRace(layout: Layout, server: ServerProcess): Promise<string> {
  const output = await server.output()
  await server.forget()
  const log = /redirecting log output/.test(output) ? await readServerLog(layout) : ''
  const ownLines = log.split('\n').filter((line) => line.includes(`[${server.pid}]`))
  const said = [output, ...ownLines].join('\n')
  if (raceTexts.some((text) => text.test(said))) return said
  throw serverFailure(
    `the private Postgres in ${layout.stateFolder} does not start`,
    log === '' ? output : log,
  )
}

async function tooSlow(layout: Layout, lastWords: string, timeoutMs: number): Promise<KilnError> {
  return serverFailure(
    `the private Postgres in ${layout.stateFolder} does not take connections after ${timeoutMs / 1000} s`,
    lastWords || (await readServerLog(layout)),
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
