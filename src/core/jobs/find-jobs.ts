import { type RawBuilder, sql } from 'kysely'
import type { Queries } from '../database/index.ts'
import type { JobStatus } from './job.ts'
import { hasStatus } from './status-filter.ts'

/** Which unfinished jobs a bulk command means. */
export interface UnfinishedFilter {
  readonly status?: Extract<JobStatus, 'pending' | 'running'>
  readonly analysisId?: string
  readonly projectId?: string
  /** Running for longer than this. */
  readonly stuckForMs?: number
}

/** Ids of the unfinished jobs that match, oldest first. */
export async function findUnfinishedJobs(
  queries: Queries,
  filter: UnfinishedFilter,
): Promise<string[]> {
  let query = queries
    .selectFrom('analysisJobs')
    .innerJoin('analyses', 'analyses.id', 'analysisJobs.analysisId')
    .select('analysisJobs.id')
    .where(hasStatus(statusesOf(filter)))
    .orderBy('analysisJobs.createdAt')
    .orderBy('analysisJobs.id')
  if (filter.analysisId) query = query.where('analysisJobs.analysisId', '=', filter.analysisId)
  if (filter.projectId) query = query.where('analyses.projectId', '=', filter.projectId)
  if (filter.stuckForMs !== undefined) {
    query = query.where(isStuck(filter.stuckForMs))
  }
  return (await query.execute()).map((row) => row.id)
}

function statusesOf({ status, stuckForMs }: UnfinishedFilter): readonly JobStatus[] {
  if (stuckForMs !== undefined) return ['running']
  return status ? [status] : ['pending', 'running']
}

/** Whether a row of `analysis_jobs` has been running for longer than this. */
export const isStuck = (stuckForMs: number): RawBuilder<boolean> => sql<boolean>`(
  analysis_jobs.status = 'running'
  and analysis_jobs.started_at < now() - make_interval(secs => ${stuckForMs / 1000})
)`
