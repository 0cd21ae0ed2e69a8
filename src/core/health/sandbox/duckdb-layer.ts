import { readFileSync, readlinkSync } from 'node:fs'
import { chmod, chown, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { startDuckdbProcess } from '../../duckdb/index.ts'
import { type DuckdbWalls, duckdbWalls } from '../../executor/index.ts'
import { freeAccount } from '../../confine/index.ts'
import { isRoot, nearestFolder, processEntry } from '../../os/index.ts'
import type { WallStats } from '../../sandbox/index.ts'
import { type Layer, active, broken } from './layer.ts'

/** Starts the process that a job of this data folder would get for its SQL, and looks at it from outside. */
export async function checkDuckdbLayer(walls: WallStats, dataDir: string): Promise<Layer> {
  const wanted = await duckdbWalls(walls, { path: await nearestFolder(dataDir) }, [])
  try {
    const seen = await lookAtProcess(wanted)
    return judge(wanted, seen, dataDir)
  } finally {
    freeAccount(wanted.uid)
  }
}

interface Seen {
  readonly uid: number
  readonly hasOurNetwork: boolean
}

async function lookAtProcess(walls: DuckdbWalls): Promise<Seen | undefined> {
  const folder = await mkdtemp(path.join(tmpdir(), 'kiln-check-'))
  try {
    if (isRoot()) await chmod(folder, 0o700)
    if (walls.uid !== undefined) await chown(folder, walls.uid, walls.uid)
    const duckdb = await startDuckdbProcess({
      folder,
      memoryLimitBytes: 64 * 1024 ** 2,
      threads: 1,
      nodePath: process.execPath,
      entryPath: processEntry('duckdb'),
      ...walls,
    })
    try {
      return see(duckdb.pid)
    } finally {
      await duckdb.stop()
    }
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

function see(pid: number): Seen | undefined {
  try {
    const status = readFileSync(`/proc/${pid}/status`, 'utf8')
    return {
      uid: Number(/^Uid:\s+(\d+)/m.exec(status)?.[1]),
      hasOurNetwork:
        readlinkSync(`/proc/${pid}/ns/net`) === readlinkSync(`/proc/${process.pid}/ns/net`),
    }
  } catch {
    // Not Linux.
    return undefined
  }
}

function judge({ uid, confiner }: DuckdbWalls, seen: Seen | undefined, dataDir: string): Layer {
  const name = 'duckdb'
  const hasAccount = uid !== undefined && seen?.uid === uid
  const hasView = confiner !== undefined && seen?.hasOurNetwork === false
  if ((uid !== undefined && !hasAccount) || (confiner && !hasView)) {
    return broken(name, 'the process of a job was not started as it should have been')
  }
  const account = hasAccount ? `as uid ${uid}` : 'as our account'
  const view = hasView ? `behind ${confiner?.kind}, without network` : 'with our network and files'
  const evidence = `SQL runs in a process of its own, ${account}, ${view}`
  if (hasAccount || hasView) return active(name, evidence)
  return {
    name,
    state: isRoot() ? 'inactive' : 'unavailable',
    level: 'warning',
    evidence,
    hint: isRoot()
      ? `let other accounts pass through ${dataDir} and the folders above it (chmod o+x)`
      : 'install bubblewrap, or start the service as root',
  }
}
