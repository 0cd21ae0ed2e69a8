import type { JobLogLine } from '../jobs/index.ts'
import type { CommitStep } from './commit-outcome.ts'
import type { ScriptRunner } from './script-runner.ts'

export interface ExecutorOptions {
  readonly kind: 'service' | 'one_shot'
  /** Jobs that run at a time. */
  readonly concurrency: number
  readonly programVersion: string
  /** Refuse to start where scripts that break out would run as our account. */
  readonly requireIsolation?: boolean
  /** Each log line of each job at once. */
  readonly onLogLine?: (line: JobLogLine) => void
  /** Told when the database goes away while jobs run here: their outcomes wait for it. */
  readonly onAway?: (message: string) => void
  /** Between two steps of committing a project's database: for tests that end processes there. */
  readonly onCommitStep?: (step: CommitStep) => Promise<void>
  /** In place of sandboxes, none of which is then started: to measure the queue alone. */
  readonly runner?: ScriptRunner
}

/** Limits that only the caller of one job sets. */
export interface RunOptions {
  readonly timeoutMs?: number
  readonly onStart?: (jobId: string) => void
  /** The script has ended; its outcome is written next. */
  readonly onResult?: () => void
}
