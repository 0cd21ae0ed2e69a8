import type { ConnectionTarget } from '../../database/index.ts'
import { dropDatabase, listIdleDatabases } from './other-databases.ts'

/** A drill is connected to its database but for moments; this is more than clocks differ by. */
const leftoverAfterMs = 3_600_000

const pattern = /^kiln_drill_(?<seconds>[0-9a-f]{8})_[0-9a-f]{8}$/

/** `kiln_drill_6a1b2c3d_00ff00ff`: when it was made, in hexadecimal seconds, and something of its own. */
export const drillNameOf = (now: number, suffix: string): string =>
  `kiln_drill_${Math.floor(now / 1000)
    .toString(16)
    .padStart(8, '0')}_${suffix}`

/** Drops the databases of drills that were killed: nobody is connected to them, and they are old. */
export async function dropDrillLeftovers(server: ConnectionTarget, now: number): Promise<void> {
  const names = await listIdleDatabases(server, 'kiln\\_drill\\_%')
  for (const name of names) {
    const seconds = Number.parseInt(pattern.exec(name)?.groups?.seconds ?? '', 16)
    if (!(now - seconds * 1000 > leftoverAfterMs)) continue
    // Another role's is that role's to drop.
    await dropDatabase(server, name).catch(() => undefined)
  }
}
