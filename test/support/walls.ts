import { processEntry } from '../../src/core/os/index.ts'
import { SandboxPool, type WallStats } from '../../src/core/sandbox/index.ts'

/** The walls that sandboxes get on this host. */
export async function wallsHere(): Promise<WallStats> {
  const pool = new SandboxPool({
    entryPath: processEntry('sandbox'),
    nodePath: process.execPath,
    size: 1,
    warm: 1,
  })
  try {
    await pool.start()
    return pool.stats().walls
  } finally {
    await pool.stop()
  }
}
