import { sql } from 'kysely'
import type { Context } from '../context.ts'
import type { Lease } from '../jobs/index.ts'

/** Progress reaches the database at most this often. */
const everyMs = 1000

/** Writes the latest progress of a job to its row: at most one statement is under way. */
export class ProgressWriter {
  private readonly context: Pick<Context, 'database' | 'clock'>
  private readonly lease: Lease
  private latest: { readonly fraction: number; readonly message: string | null } | undefined
  private lastAt = Number.NEGATIVE_INFINITY
  private timer: NodeJS.Timeout | undefined

  constructor(context: Pick<Context, 'database' | 'clock'>, lease: Lease) {
    this.context = context
    this.lease = lease
  }

  note(fraction: number, message: string | null): void {
    this.latest = { fraction, message }
    this.timer ??= setTimeout(
      () => this.write(),
      Math.max(0, this.lastAt + everyMs - this.context.clock.monotonic()),
    )
  }

  stop(): void {
    clearTimeout(this.timer)
  }

  private write(): void {
    const { fraction, message } = this.latest ?? { fraction: 0, message: null }
    this.lastAt = this.context.clock.monotonic()
    sql`
      update analysis_jobs
      set progress = ${Math.min(1, Math.max(0, fraction))}, progress_message = ${message}
      where id = ${this.lease.jobId}
        and lease_token = ${this.lease.leaseToken}
        and status = 'running'
    `
      .execute(this.context.database.queries)
      // Progress is a courtesy; the next one comes.
      .catch(() => undefined)
      .finally(() => {
        this.timer = undefined
      })
  }
}
