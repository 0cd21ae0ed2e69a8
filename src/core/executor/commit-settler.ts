import type { Context } from '../context.ts'
import { messageOf } from '../errors/index.ts'
import { type SettleOptions, settleCommits } from './settle-commits.ts'

/** Between looks: a query of an index that is nearly always empty. */
const lookEveryMs = 5000

/** Looks again and again for jobs that others left in the middle of a commit. */
export class CommitSettler {
  private readonly log: Context['log']
  private readonly options: () => SettleOptions | undefined
  private timer: NodeJS.Timeout | undefined
  private looking: Promise<void> = Promise.resolve()
  private isStopped = false
  private hasFailed = false

  /** @param options undefined where no script runs, and so no database is written. */
  constructor(log: Context['log'], options: () => SettleOptions | undefined) {
    this.log = log
    this.options = options
  }

  /** Looks at once, and then every few seconds. */
  start(): void {
    if (this.isStopped) return
    this.looking = this.look().then(() => {
      if (!this.isStopped) this.timer = setTimeout(() => this.start(), lookEveryMs)
    })
  }

  /** Waits for the look that is under way. */
  async stop(): Promise<void> {
    this.isStopped = true
    clearTimeout(this.timer)
    await this.looking
  }

  private async look(): Promise<void> {
    const options = this.options()
    if (!options) return
    try {
      await settleCommits(options)
      this.hasFailed = false
    } catch (error) {
      // Said once in an outage.
      if (!this.hasFailed) {
        this.log.warn({ error: messageOf(error) }, 'cannot look for jobs that were committing')
      }
      this.hasFailed = true
    }
  }
}
