import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { type AddressInfo, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import path from 'node:path'
import type { Settings } from '../../config/index.ts'
import { KilnError } from '../../errors/index.ts'
import { processEntry } from '../../os/index.ts'
import {
  type ProbeResults,
  SandboxUnavailableError,
  type WallStats,
  probeWalls,
} from '../../sandbox/index.ts'
import { checkDuckdbLayer } from './duckdb-layer.ts'
import { checkInnerLayers } from './inner-layers.ts'
import type { Layer } from './layer.ts'
import { judgeProbe } from './outer-layers.ts'

export interface SandboxReport {
  readonly layers: readonly Layer[]
  readonly walls: WallStats
  /** The worst level of all layers. */
  readonly level: Layer['level']
}

const allocateBytes = 2 * 1024 ** 3
/** The memory limit under which the probe runs: with a larger one 2 GB would be within its right. */
const maxMemoryBytes = 256 * 1024 ** 2

/**
 * Looks at every wall around scripts on this host by trying to get through it: scripts in real
 * sandboxes for the inner ones, and a process started just like a sandbox for those of the operating
 * system. Needs no database; takes some seconds.
 *
 * @throws KilnError SANDBOX_FAILED when no sandbox starts at all.
 */
export async function checkSandbox({ dataDir }: Pick<Settings, 'dataDir'>): Promise<SandboxReport> {
  try {
    const inner = await checkInnerLayers()
    const { probe, ownFile } = await probeHost()
    const duckdb = await checkDuckdbLayer(probe.walls, dataDir)
    const layers = [...inner, ...judgeProbe(probe, ownFile), duckdb]
    const levels = layers.map(({ level }) => level)
    const worst = (['critical', 'warning'] as const).find((level) => levels.includes(level))
    return { layers, walls: probe.walls, level: worst ?? 'ok' }
  } catch (error) {
    if (!(error instanceof SandboxUnavailableError)) throw error
    throw new KilnError('SANDBOX_FAILED', error.message, {
      hint: 'check that this account may start the Node of Kiln, and its memory limits',
      cause: error,
    })
  }
}

/** Gives the probe something to find: a private file, an open port, and this very process. */
async function probeHost(): Promise<{ readonly probe: ProbeResults; readonly ownFile: string }> {
  const folder = await mkdtemp(path.join(tmpdir(), 'kiln-check-'))
  const server = createServer((socket) => socket.destroy())
  try {
    const ownFile = path.join(folder, 'secret')
    await writeFile(ownFile, 'secret', { mode: 0o600 })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const probe = await probeWalls({
      nodePath: process.execPath,
      entryPath: processEntry('probe'),
      maxMemoryBytes,
      allocateBytes,
      attempts: {
        read: [ownFile, '/etc/passwd', '/etc/hostname', processEntry('probe')],
        write: ['/', '/tmp', folder],
        connect: (server.address() as AddressInfo).port,
        start: '/bin/sh',
        parent: process.pid,
      },
    })
    return { probe, ownFile }
  } finally {
    server.close()
    await rm(folder, { recursive: true, force: true })
  }
}
