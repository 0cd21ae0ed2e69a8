import type { Context } from '../context.ts'
import type { JobLogLine } from '../jobs/index.ts'
import type { DataFolder } from '../os/index.ts'
import type { SandboxPool } from '../sandbox/index.ts'
import type { ChildSlots } from './child-slots.ts'
import type { CommitStep } from './commit-outcome.ts'
import type { InsertedJob } from './inserted-job.ts'
import type { JobEnd } from './job-end.ts'
import type { LeaseHolder } from './lease-holder.ts'
import type { OutcomeBatch } from './outcome-batch.ts'
import type { ScriptRunner } from './script-runner.ts'
import type { VersionCache } from './version-cache.ts'

/** What the lease holders of one executor share. */
export interface LeaseEnvironment {
  readonly context: Context
  readonly executorId: string
  /** Where scripts run, unless `runner` takes its place. */
  readonly pool: SandboxPool | undefined
  readonly runner: ScriptRunner | undefined
  readonly batch: OutcomeBatch
  readonly dataFolder: DataFolder
  readonly versions: VersionCache
  readonly onLogLine: ((line: JobLogLine) => void) | undefined
  /**
   * Inserts and runs a child job on the same executor; `onStart` is called when it is inserted. While
   * the database is away it waits, until the signal is aborted.
   */
  readonly runChild: (
    input: InsertedJob,
    options: { readonly signal: AbortSignal; readonly onStart: (jobId: string) => void },
  ) => Promise<JobEnd>
  readonly childSlots: ChildSlots
  /** How long an outcome waits for a database that is away; as long as it takes unless told. */
  readonly awayLimitMs: () => number | undefined
  readonly onCommitStep: ((step: CommitStep) => Promise<void>) | undefined
  /** The job has ended and holds nothing any more; so long after its turn came. */
  readonly onConcluded: (holder: LeaseHolder, end: JobEnd, tookMs: number) => void
  /**
   * The job needs this process no more. `isKnownEnded`: the lease has ended in the database too, as
   * far as anybody knows.
   */
  readonly onEnd: (holder: LeaseHolder, isKnownEnded: boolean) => void
}
