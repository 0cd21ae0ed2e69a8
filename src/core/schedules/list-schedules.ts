import { sql } from 'kysely'
import { isAnalysisId } from '../analyses/index.ts'
import type { Context } from '../context.ts'
import { KilnError } from '../errors/index.ts'
import type { Schedule } from './schedule.ts'
import { selectSchedules } from './select-schedules.ts'

export interface ScheduleFilter {
  readonly analysisId?: string | undefined
  readonly projectId?: string | undefined
  readonly isEnabled?: boolean | undefined
  /** Only those of Kiln itself. */
  readonly onlySystem?: boolean | undefined
  readonly limit: number
  /** From the page before. */
  readonly cursor?: string | undefined
}

export interface SchedulePage {
  readonly schedules: readonly Schedule[]
  /** Null on the last page. */
  readonly nextCursor: string | null
}

/** Kiln's own come after all others. */
const isSystem = sql<boolean>`(analysis_schedules.analysis_id is null)`
const projectKey = sql<string>`coalesce(analyses.project_id, '')`
const nameKey = sql<string>`coalesce(analyses.name, analysis_tasks.task)`

/**
 * Schedules by project and analysis, a page at a time.
 *
 * @throws KilnError USAGE for a cursor that no page gave.
 */
export async function listSchedules(
  { database }: Pick<Context, 'database'>,
  filter: ScheduleFilter,
): Promise<SchedulePage> {
  let query = selectSchedules(database.queries)
    .orderBy(isSystem)
    .orderBy(projectKey)
    .orderBy(nameKey)
    .orderBy('analysisSchedules.id')
    .limit(filter.limit + 1)
  const { analysisId, projectId, isEnabled, onlySystem, cursor } = filter
  if (analysisId) query = query.where('analysisSchedules.analysisId', '=', analysisId)
  if (projectId) query = query.where('analyses.projectId', '=', projectId)
  if (onlySystem) query = query.where('analysisSchedules.origin', '=', 'system')
  if (isEnabled !== undefined) query = query.where('analysisSchedules.enabled', '=', isEnabled)
  if (cursor) {
    const [system, project, name, id] = decodeCursor(cursor)
    query = query.where(
      sql<boolean>`(${isSystem}, ${projectKey}, ${nameKey}, analysis_schedules.id)
        > (${system === 'true'}, ${project}, ${name}, ${id}::uuid)`,
    )
  }
  const rows = (await query.execute()) as Schedule[]
  const schedules = rows.slice(0, filter.limit)
  const last = schedules.at(-1)
  return {
    schedules,
    nextCursor: rows.length > filter.limit && last ? encodeCursor(last) : null,
  }
}

const encodeCursor = ({ projectId, analysisName, task, id }: Schedule): string =>
  Buffer.from(
    JSON.stringify([String(task !== null), projectId ?? '', analysisName ?? task, id]),
  ).toString('base64url')

function decodeCursor(cursor: string): readonly [string, string, string, string] {
  try {
    const value = JSON.parse(Buffer.from(cursor, 'base64url').toString()) as unknown
    if (
      Array.isArray(value) &&
      value.length === 4 &&
      value.every((one) => typeof one === 'string') &&
      isAnalysisId(value[3] ?? '')
    )
      return value as [string, string, string, string]
  } catch {
    // Said below: to the caller it is all the same why it cannot be read.
  }
  throw new KilnError('USAGE', 'the cursor is none that a page gave', {
    hint: 'take next_cursor of the page before',
  })
}
