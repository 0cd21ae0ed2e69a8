import { formatDuration } from '../units/index.ts'
import type { RowStep } from './batch.ts'
import type { CleanupKind } from './cleanup-report.ts'
import type { Retention } from './retention.ts'
import { takeExecutors } from './take-executors.ts'
import { takeJobs } from './take-jobs.ts'
import { takeLogs } from './take-logs.ts'
import { takeOccurrences } from './take-occurrences.ts'
import { takeResults } from './take-results.ts'

export interface RowKind extends RowStep {
  readonly kind: CleanupKind
  readonly ageMs: (retention: Retention) => number
  readonly rule: (retention: Retention) => string
}

const results = ({ resultsMs }: Retention): number => resultsMs
const jobs = ({ jobsMs }: Retention): number => jobsMs

/** Kinds of rows, in the order in which they go: what hangs on a job goes before it. */
export const rowKinds: readonly RowKind[] = [
  {
    kind: 'results',
    table: 'analysis_result_storage',
    hasFiles: true,
    take: takeResults,
    ageMs: results,
    rule: ({ resultsMs }) =>
      `stored results older than ${formatDuration(resultsMs)}, with their files`,
  },
  {
    kind: 'logs',
    table: 'analysis_job_logs',
    take: takeLogs,
    ageMs: results,
    rule: ({ resultsMs }) => `log lines of ended jobs older than ${formatDuration(resultsMs)}`,
  },
  {
    kind: 'jobs',
    table: 'analysis_jobs',
    hasFiles: true,
    alongTables: ['analysis_job_logs', 'analysis_job_past_attempts', 'analysis_result_storage'],
    take: takeJobs,
    ageMs: jobs,
    rule: ({ jobsMs }) =>
      `ended jobs that were made and ended more than ${formatDuration(jobsMs)} ago, with all that is theirs`,
  },
  {
    kind: 'occurrences',
    table: 'analysis_schedule_occurrences',
    take: takeOccurrences,
    ageMs: jobs,
    rule: ({ jobsMs }) =>
      `occurrences of schedules older than ${formatDuration(jobsMs)}, but for the last of each`,
  },
  {
    kind: 'executors',
    table: 'analysis_executors',
    take: takeExecutors,
    ageMs: jobs,
    rule: ({ jobsMs }) => `executors that stopped more than ${formatDuration(jobsMs)} ago`,
  },
]
