import type { Context } from '../context.ts'
import { messageOf } from '../errors/index.ts'
import { mendJobQueue } from '../jobs/index.ts'

const lookEveryMs = 60_000
/** 32 MB, which take some ten milliseconds: a million jobs are looked at within a quarter of an hour. */
const blocksAtATime = 4096

/** Goes round the table of jobs, a part each minute, for those that the queue does not know of. */
export class QueueMender {
  private readonly context: Pick<Context, 'database' | 'log'>
  private timer: NodeJS.Timeout | undefined
  private looking: Promise<void> = Promise.resolve()
  private isStopped = false
  private nextBlock = 0

  constructor(context: Pick<Context, 'database' | 'log'>) {
    this.context = context
  }

  /** Looks at once, and then every minute. */
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
    const { database, log } = this.context
    try {
      const mended = await mendJobQueue(database.queries, this.nextBlock, blocksAtATime)
      this.nextBlock = mended.nextBlock
      if (mended.found > 0) {
        log.info({ count: mended.found }, 'jobs that were loaded without triggers are queued')
      }
    } catch (error) {
      log.warn({ error: messageOf(error) }, 'database error: cannot look after the queue')
    }
  }
}
