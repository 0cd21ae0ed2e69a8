import { sql } from 'kysely'
import type { Queries } from '../database/index.ts'
import type { JobStatus } from './job.ts'

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
    .where('analysisJobs.status', 'in', filter.status ? [filter.status] : ['pending', 'running'])
    .orderBy('analysisJobs.createdAt')
    .orderBy('analysisJobs.id')
  if (filter.analysisId) query = query.where('analysisJobs.analysisId', '=', filter.analysisId)
  if (filter.projectId) query = query.where('analyses.projectId', '=', filter.projectId)
  if (filter.stuckForMs !== undefined) {
    query = query
      .where('analysisJobs.status', '=', 'running')
      .where(
        'analysisJobs.startedAt',
        '<',
        sql<string>`now() - make_interval(secs => ${filter.stuckForMs / 1000})`,
      )
  }
  return (await query.execute()).map((row) => row.id)
}
