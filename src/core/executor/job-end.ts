import type { JobError } from '../jobs/index.ts'

/** How a claimed job ended for the executor that ran it. */
export type JobEnd =
  | { readonly status: 'completed'; readonly jobId: string; readonly resultText: string }
  | { readonly status: 'failed'; readonly jobId: string; readonly error: JobError }
  /** The attempt failed; the analysis asks for another, and the job is pending again. */
  | { readonly status: 'retrying'; readonly jobId: string; readonly error: JobError }
  /** Somebody cancelled it while it ran. */
  | { readonly status: 'cancelled'; readonly jobId: string }
  /** The lease went to somebody else, or the job row is gone: nothing was written. */
  | {
      readonly status: 'lost'
      readonly jobId: string
      /** False when the row still names this lease: the heartbeat returns it to the queue. */
      readonly isKnownEnded: boolean
    }
