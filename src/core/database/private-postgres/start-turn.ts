import { createHash } from 'node:crypto'
import { type Release, systemClock, tryTakeTurn } from '../../os/index.ts'
import type { Layout } from './layout.ts'

/** After this long without an end, whoever has the turn is stuck, or only pretends. */
const patienceMs = 30_000

/**
 * Lets one command at a time create or start a cluster. Others wait and find it running; without
 * turns all would create one each, and Postgres is not safe against several starts beside the lock
 * file of a dead server: one may remove the new file of another.
 */
export class StartTurn {
  private readonly name: string
  private readonly beganAt = systemClock.monotonic()
  private held: Release | undefined

  constructor(layout: Layout) {
    const id = createHash('sha256').update(layout.pgdata).digest('hex').slice(0, 32)
    this.name = `kiln-start-${id}`
  }

  get isMine(): boolean {
    return this.held !== undefined
  }

  async tryTake(): Promise<boolean> {
    this.held ??= await tryTakeTurn(this.name)
    if (!this.held && systemClock.monotonic() - this.beganAt > patienceMs) {
      this.held = () => undefined
    }
    return this.isMine
  }

  release(): void {
    this.held?.()
    this.held = undefined
  }
}
