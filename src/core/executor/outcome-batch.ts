import { type Queries, isConnectionLost } from '../database/index.ts'
import { type FinishedJob, finishJobs } from '../jobs/index.ts'
import type { LeaseTable } from './lease-table.ts'

/** More than this in one statement gains nothing and delays the first of them. */
const maxBatch = 1000

interface Waiting extends FinishedJob {
  readonly resolve: (isWritten: boolean) => void
  readonly reject: (error: unknown) => void
}

/**
 * Writes outcomes in batches: while one statement is under way the outcomes that come gather for
 * the next, so that a quiet queue waits for nothing and a busy one pays for few statements.
 */
export class OutcomeBatch {
  private readonly queries: Queries
  private readonly leases: Pick<LeaseTable, 'takeEndedTokens' | 'giveBack'>
  private waiting: Waiting[] = []
  private isWriting = false

  constructor(queries: Queries, leases: Pick<LeaseTable, 'takeEndedTokens' | 'giveBack'>) {
    this.queries = queries
    this.leases = leases
  }

  /** False when the lease no longer held; rejects as the statement does. */
  write(job: FinishedJob): Promise<boolean> {
    return new Promise((resolve, reject) => {
      this.waiting.push({ lease: job.lease, outcome: job.outcome, resolve, reject })
      if (this.isWriting) return
      this.isWriting = true
      // Those that end in the same turn of the event loop go together.
      setImmediate(() => void this.writeAll())
    })
  }

  private async writeAll(): Promise<void> {
    while (this.waiting.length > 0) await this.writeSome(this.waiting.splice(0, maxBatch))
    this.isWriting = false
  }

  private async writeSome(jobs: readonly Waiting[]): Promise<void> {
    const endedTokens = this.leases.takeEndedTokens()
    try {
      const written = await finishJobs(this.queries, jobs, endedTokens)
      for (const job of jobs) job.resolve(written.has(job.lease.jobId))
    } catch (error) {
      this.leases.giveBack(endedTokens)
      // One result that Postgres refuses must not fail the others.
      if (jobs.length > 1 && !isConnectionLost(error)) {
        for (const job of jobs) await this.writeSome([job])
      } else {
        for (const job of jobs) job.reject(error)
      }
    }
  }
}
