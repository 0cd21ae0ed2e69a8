import type { Context } from '../context.ts'
import { messageOf } from '../errors/index.ts'
import { admitJobs } from '../jobs/index.ts'

/**
 * Lets jobs go that wait for a limit: one admission at a time, and one more when it is asked for
 * meanwhile, since that one may not have seen what the asker has.
 */
export class Admission {
  private readonly context: Pick<Context, 'database' | 'log'>
  private readonly onAdmitted: () => void
  private current: Promise<void> | undefined
  private isAskedAgain = false
  /** Jobs that it has let go so far. */
  admittedCount = 0

  constructor(context: Pick<Context, 'database' | 'log'>, onAdmitted: () => void) {
    this.context = context
    this.onAdmitted = onAdmitted
  }

  /** Resolves when a look that began after this call has ended; never rejects. */
  admit(): Promise<void> {
    this.isAskedAgain = true
    // Begun in a turn of its own, so that it cannot end before it is known as the current one.
    this.current ??= Promise.resolve().then(() => this.admitWhileAsked())
    return this.current
  }

  whenIdle(): Promise<void> {
    return this.current ?? Promise.resolve()
  }

  private async admitWhileAsked(): Promise<void> {
    while (this.isAskedAgain) {
      this.isAskedAgain = false
      try {
        const count = await admitJobs(this.context.database.queries)
        this.admittedCount += count
        if (count > 0) this.onAdmitted()
      } catch (error) {
        // Asked again by the next beat that finds jobs waiting.
        this.context.log.warn({ error: messageOf(error) }, 'database error: cannot admit jobs')
      }
    }
    // At once, and not when the promise has settled: who asks in between would be forgotten.
    this.current = undefined
  }
}
