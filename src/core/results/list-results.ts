import { sql } from 'kysely'
import type { Context } from '../context.ts'
import { decodeJobCursor, encodeJobCursor } from '../jobs/index.ts'

/** What one completed job returned, without the result itself. */
export interface ResultEntry {
  readonly jobId: string
  readonly versionNumber: number | null
  readonly parameters: unknown
  readonly triggeredBy: string | null
  readonly createdAt: string
  readonly completedAt: string
  readonly executionTimeMs: number | null
  /** `deleted`: the job is still there, its result is not. */
  readonly storage: 'inline' | 'file' | 'deleted'
  /** JSON text of an inline result; the compressed bytes of a file. */
  readonly sizeBytes: number | null
  /** Of a file, when the result is rows. */
  readonly rowCount: number | null
  /** Whose data folder holds the file. */
  readonly dataFolderId: string | null
}

export interface ResultFilter {
  readonly analysisId: string
  /** Of jobs created at or after, and before; RFC 3339. */
  readonly since?: string | undefined
  readonly until?: string | undefined
  readonly limit: number
  /** From the page before. */
  readonly cursor?: string | undefined
}

export interface ResultHistory {
  readonly results: readonly ResultEntry[]
  /** Null on the last page. */
  readonly nextCursor: string | null
}

/**
 * The results of an analysis, newest job first, a page at a time.
 *
 * @throws KilnError USAGE for a cursor that no page gave.
 */
export async function listResults(
  { database }: Pick<Context, 'database'>,
  filter: ResultFilter,
): Promise<ResultHistory> {
  let query = database.queries
    .selectFrom('analysisJobs as job')
    .leftJoin('analysisResultStorage as stored', 'stored.jobId', 'job.id')
    .select([
      'job.id as jobId',
      'job.versionNumber',
      'job.parameters',
      'job.triggeredBy',
      'job.createdAt',
      'job.completedAt',
      'job.executionTimeMs',
      'stored.dataFolderId',
      'stored.rowCount',
      sql<ResultEntry['storage']>`case
        when stored.id is not null then 'file'
        when job.result is null then 'deleted'
        else 'inline'
      end`.as('storage'),
      sql<number | null>`coalesce(stored.size_bytes, octet_length(job.result::text))::bigint`.as(
        'sizeBytes',
      ),
    ])
    .where('job.analysisId', '=', filter.analysisId)
    .where('job.status', '=', 'completed')
    .orderBy('job.createdAt', 'desc')
    .orderBy('job.id', 'desc')
    .limit(filter.limit + 1)
  if (filter.since !== undefined) query = query.where('job.createdAt', '>=', filter.since)
  if (filter.until !== undefined) query = query.where('job.createdAt', '<', filter.until)
  if (filter.cursor !== undefined) {
    const { createdAt, id } = decodeJobCursor(filter.cursor)
    query = query.where(({ eb, refTuple, tuple }) =>
      eb(refTuple('job.createdAt', 'job.id'), '<', tuple(createdAt, id)),
    )
  }
  const rows = (await query.execute()) as ResultEntry[]
  const results = rows.slice(0, filter.limit)
  const last = results.at(-1)
  return {
    results,
    nextCursor:
      rows.length > filter.limit && last
        ? encodeJobCursor({ createdAt: last.createdAt, id: last.jobId })
        : null,
  }
}
