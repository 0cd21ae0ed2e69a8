import { sql } from 'kysely'
import type { Context } from '../context.ts'
import type { JobStatus, JobSummary } from './job.ts'
import { decodeJobCursor, encodeJobCursor } from './job-cursor.ts'
import { selectJobSummaries } from './select-jobs.ts'
import { hasStatus } from './status-filter.ts'

export interface JobFilter {
  readonly statuses?: readonly JobStatus[]
  readonly analysisId?: string
  readonly projectId?: string
  /** Created at or after, and before; RFC 3339. */
  readonly since?: string
  readonly until?: string
  /** Running for longer than this. */
  readonly longRunningMs?: number
  readonly limit: number
  /** From the page before. */
  readonly cursor?: string
}

export interface JobPage {
  readonly jobs: readonly JobSummary[]
  /** Null on the last page. */
  readonly nextCursor: string | null
}

/**
 * Jobs, newest first, a page at a time. The cursor names the last row seen, so that jobs created
 * meanwhile do not shift the pages.
 *
 * @throws KilnError USAGE for a cursor that no page gave.
 */
export async function listJobs(
  { database }: Pick<Context, 'database'>,
  filter: JobFilter,
): Promise<JobPage> {
  let query = selectJobSummaries(database.queries)
    .orderBy('analysisJobs.createdAt', 'desc')
    .orderBy('analysisJobs.id', 'desc')
    .limit(filter.limit + 1)
  if (filter.statuses?.length) query = query.where(hasStatus(filter.statuses))
  if (filter.analysisId) query = query.where('analysisJobs.analysisId', '=', filter.analysisId)
  if (filter.projectId) query = query.where('analyses.projectId', '=', filter.projectId)
  if (filter.since) query = query.where('analysisJobs.createdAt', '>=', filter.since)
  if (filter.until) query = query.where('analysisJobs.createdAt', '<', filter.until)
  if (filter.longRunningMs !== undefined) {
    query = query
      .where(hasStatus(['running']))
      .where(
        'analysisJobs.startedAt',
        '<',
        sql<string>`now() - make_interval(secs => ${filter.longRunningMs / 1000})`,
      )
  }
  if (filter.cursor) {
    const { createdAt, id } = decodeJobCursor(filter.cursor)
    query = query.where(({ eb, refTuple, tuple }) =>
      eb(refTuple('analysisJobs.createdAt', 'analysisJobs.id'), '<', tuple(createdAt, id)),
    )
  }
  const rows = (await query.execute()) as JobSummary[]
  const jobs = rows.slice(0, filter.limit)
  const last = jobs.at(-1)
  return {
    jobs,
    nextCursor: rows.length > filter.limit && last ? encodeJobCursor(last) : null,
  }
}
