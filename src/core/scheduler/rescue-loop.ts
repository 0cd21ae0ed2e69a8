import type { Context } from '../context.ts'
import { messageOf } from '../errors/index.ts'
import { LostExecutorWatch } from '../jobs/index.ts'
import { Loop, type ServicePart } from './service-part.ts'

/** Watches for dead executors as long as the service runs, whether or not it runs jobs itself. */
export class RescueLoop implements ServicePart {
  private readonly context: Context
  private readonly watch: LostExecutorWatch
  private readonly loop: Loop
  private lastPassAt: number
  private isDatabaseAway = false

  constructor(context: Context) {
    this.context = context
    this.watch = new LostExecutorWatch(context)
    this.lastPassAt = context.clock.monotonic()
    this.loop = new Loop(0, () => this.pass())
  }

  get passAgeMs(): number {
    return this.context.clock.monotonic() - this.lastPassAt
  }

  start(): void {
    this.loop.start()
  }

  stop(): Promise<void> {
    return this.loop.stop()
  }

  private async pass(): Promise<void> {
    const { clock, log } = this.context
    this.lastPassAt = clock.monotonic()
    try {
      for (const { executorId, label, pending, failed } of await this.watch.look()) {
        // Two services may see one death; the one that came second has nothing to tell.
        if (pending + failed === 0) continue
        const fields = { executorId, label, pending, failed }
        log.warn(fields, 'an executor died: its jobs went back to the queue')
      }
      if (this.isDatabaseAway) log.info({}, 'looking for dead executors again')
      this.isDatabaseAway = false
    } catch (error) {
      if (!this.isDatabaseAway) {
        log.warn({ error: messageOf(error) }, 'database error: cannot look for dead executors')
      }
      this.isDatabaseAway = true
    }
    this.loop.intervalMs = this.watch.nextLookInMs
  }
}
