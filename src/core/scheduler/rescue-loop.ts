import type { Context } from '../context.ts'
import { messageOf } from '../errors/index.ts'
import { sweepLostExecutors } from '../jobs/index.ts'
import { Loop, type ServicePart } from './service-part.ts'

const everyMs = 2000

/** Looks for dead executors in a service that runs no jobs; executors look for themselves. */
export class RescueLoop implements ServicePart {
  private readonly context: Context
  private readonly loop: Loop
  private lastPassAt: number
  private isDatabaseAway = false

  constructor(context: Context) {
    this.context = context
    this.lastPassAt = context.clock.monotonic()
    this.loop = new Loop(everyMs, () => this.pass())
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
    const { clock, database, log } = this.context
    this.lastPassAt = clock.monotonic()
    try {
      const { pending, failed } = await sweepLostExecutors(database.queries)
      if (pending + failed > 0) {
        log.warn({ pending, failed }, 'an executor died: its jobs went back to the queue')
      }
      if (this.isDatabaseAway) log.info({}, 'the database is back')
      this.isDatabaseAway = false
    } catch (error) {
      if (!this.isDatabaseAway) {
        log.warn({ error: messageOf(error) }, 'database error: cannot look for dead executors')
      }
      this.isDatabaseAway = true
    }
  }
}
