import type { Selectable } from 'kysely'
import type { DB } from '../database/index.ts'

export const jobStatuses = ['pending', 'running', 'completed', 'failed', 'cancelled'] as const
export type JobStatus = (typeof jobStatuses)[number]

/** Statuses that a job never leaves. */
export const finalStatuses: readonly JobStatus[] = ['completed', 'failed', 'cancelled']

/** A row of `analysis_jobs`. */
export type JobRow = Selectable<DB['analysisJobs']>

/** A job with the names people know its analysis by. */
export interface Job extends Omit<JobRow, 'status'> {
  readonly status: JobStatus
  readonly analysisName: string
  readonly projectId: string
}

/** A job as lists have it: without its result and its log lines. */
export type JobSummary = Omit<Job, 'result' | 'logs'>
