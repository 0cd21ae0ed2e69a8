import type { Settings } from '../config/index.ts'
import type { CleanupInput } from './cleanup-report.ts'

/** Ages in milliseconds at which rows go. */
export interface Retention {
  readonly resultsMs: number
  readonly jobsMs: number
}

export function retentionOf(
  settings: Pick<Settings, 'resultRetentionMs' | 'jobRetentionMs'>,
  { olderThanMs }: Pick<CleanupInput, 'olderThanMs'>,
): Retention {
  return {
    resultsMs: olderThanMs ?? settings.resultRetentionMs,
    // A job is not kept for less time than its result.
    jobsMs: olderThanMs ?? Math.max(settings.jobRetentionMs, settings.resultRetentionMs),
  }
}
