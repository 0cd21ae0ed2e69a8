import type { Queries } from '../database/index.ts'
import { type ClaimedJob, type ClaimedJobInput, insertClaimedJob } from '../jobs/index.ts'
import { whenAborted } from '../os/index.ts'
import type { ClaimNumbers } from './claim-numbers.ts'
import type { RunOptions } from './executor-options.ts'
import { insertChild } from './insert-child.ts'
import type { InsertedJob } from './inserted-job.ts'
import type { JobEnd } from './job-end.ts'
import type { LeaseHolder } from './lease-holder.ts'

export interface InsertedJobsOptions {
  readonly queries: Queries
  readonly executorId: string
  readonly claims: ClaimNumbers
  /** Enters a job among the leases of the executor. */
  readonly hold: (job: ClaimedJob, options: RunOptions) => LeaseHolder
  /** Aborted when the executor stops. */
  readonly stopping: AbortSignal
}

/** Jobs that wait in no queue: an executor inserts them already claimed, and runs them. */
export class InsertedJobs {
  private readonly options: InsertedJobsOptions

  constructor(options: InsertedJobsOptions) {
    this.options = options
  }

  /**
   * Inserts a job and runs it.
   *
   * @throws KilnError LIMITS_FULL when its analysis or project runs as many jobs as it may,
   * TERMINATED when the executor stops.
   */
  run(input: InsertedJob, options: RunOptions): Promise<JobEnd> {
    const { queries } = this.options
    return this.insertAndRun(input, (claimed) => insertClaimedJob(queries, claimed), options)
  }

  /** The same for a child, whose parent waits also for a database that is away. */
  async runChild(
    input: InsertedJob,
    {
      signal,
      onStart,
    }: { readonly signal: AbortSignal; readonly onStart: (jobId: string) => void },
  ): Promise<JobEnd> {
    const { queries, stopping } = this.options
    const end = AbortSignal.any([signal, stopping])
    const insert = (claimed: ClaimedJobInput) => insertChild(queries, claimed, end)
    try {
      return await this.insertAndRun(input, insert, { onStart })
    } catch (error) {
      // The parent is about to be handed over: its script must not hear of it, and fail.
      if (stopping.aborted) await whenAborted(signal)
      throw error
    }
  }

  private async insertAndRun(
    input: InsertedJob,
    insert: (input: ClaimedJobInput) => Promise<ClaimedJob>,
    runOptions: RunOptions,
  ): Promise<JobEnd> {
    const { claims, executorId, hold, stopping } = this.options
    stopping.throwIfAborted()
    const holder = await claims.run(async (claimNumber) =>
      hold(await insert({ ...input, executorId, claimNumber }), runOptions),
    )
    runOptions.onStart?.(holder.jobId)
    return holder.run()
  }
}
