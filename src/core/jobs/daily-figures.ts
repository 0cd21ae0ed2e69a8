import { sql } from 'kysely'
import type { Context } from '../context.ts'
import { KilnError } from '../errors/index.ts'

/** Figures of the jobs of one analysis that were created on one day. */
export interface DailyFigures {
  /** `YYYY-MM-DD`, UTC. */
  readonly day: string
  readonly analysisId: string
  readonly analysisName: string
  readonly projectId: string
  readonly jobs: number
  readonly completed: number
  readonly failed: number
  readonly cancelled: number
  /** Completed of completed and failed, 0 to 1; null when none ended so. */
  readonly successRate: number | null
  readonly durationP50Ms: number | null
  readonly durationP95Ms: number | null
  readonly waitP50Ms: number | null
  readonly waitP95Ms: number | null
}

export interface DailyFilter {
  readonly analysisId?: string | undefined
  readonly projectId?: string | undefined
  /** From the day that holds this instant, RFC 3339. */
  readonly since?: string | undefined
  readonly limit: number
  /** From the page before. */
  readonly cursor?: string | undefined
}

export interface DailyPage {
  readonly figures: readonly DailyFigures[]
  /** Null on the last page. */
  readonly nextCursor: string | null
}

/**
 * Daily figures of jobs as the system schedule `statistics` took them, latest day first. They reach
 * to yesterday at most, and back beyond the jobs that cleanup has left.
 *
 * @throws KilnError USAGE for a cursor that no page gave.
 */
export async function listDailyFigures(
  { database }: Pick<Context, 'database'>,
  { analysisId, projectId, since, limit, cursor }: DailyFilter,
): Promise<DailyPage> {
  const [afterDay, afterId] = cursor === undefined ? [null, null] : decodeCursor(cursor)
  const { rows } = await sql<DailyFigures>`
    select to_char(figures.day, 'YYYY-MM-DD') as day, figures.analysis_id,
      analysis.name as analysis_name, analysis.project_id, jobs, completed, failed, cancelled,
      completed::double precision / nullif(completed + failed, 0) as success_rate,
      duration_p50_ms, duration_p95_ms, wait_p50_ms, wait_p95_ms
    from analysis_job_statistics figures
    join analyses analysis on analysis.id = figures.analysis_id
    where (${analysisId ?? null}::uuid is null or figures.analysis_id = ${analysisId ?? null})
      and (${projectId ?? null}::text is null or analysis.project_id = ${projectId ?? null})
      and (
        ${since ?? null}::timestamptz is null
        or figures.day >= (${since ?? null}::timestamptz at time zone 'UTC')::date
      )
      and (
        ${afterDay}::date is null
        or (figures.day, figures.analysis_id) < (${afterDay}::date, ${afterId}::uuid)
      )
    order by figures.day desc, figures.analysis_id desc
    limit ${limit + 1}
  `.execute(database.queries)
  const figures = rows.slice(0, limit)
  const last = figures.at(-1)
  return { figures, nextCursor: rows.length > limit && last ? encodeCursor(last) : null }
}

const encodeCursor = ({ day, analysisId }: DailyFigures): string =>
  Buffer.from(`${day} ${analysisId}`).toString('base64url')

function decodeCursor(cursor: string): readonly [string, string] {
  const match = /^(\d{4}-\d\d-\d\d) ([0-9a-f-]{36})$/.exec(
    Buffer.from(cursor, 'base64url').toString(),
  )
  if (match?.[1] && match[2]) return [match[1], match[2]]
  throw new KilnError('USAGE', 'the cursor is none that a page gave', {
    hint: 'take next_cursor of the page before',
  })
}
