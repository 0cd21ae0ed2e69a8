import type { Context } from '../context.ts'
import { KilnError } from '../errors/index.ts'
import type { Schedule } from './schedule.ts'
import { selectSchedules } from './select-schedules.ts'

export interface ScheduleFilter {
  readonly analysisId?: string | undefined
  readonly projectId?: string | undefined
  readonly isEnabled?: boolean | undefined
  readonly limit: number
  /** From the page before. */
  readonly cursor?: string | undefined
}

export interface SchedulePage {
  readonly schedules: readonly Schedule[]
  /** Null on the last page. */
  readonly nextCursor: string | null
}

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
    .orderBy('analyses.projectId')
    .orderBy('analyses.name')
    .orderBy('analysisSchedules.id')
    .limit(filter.limit + 1)
  const { analysisId, projectId, isEnabled, cursor } = filter
  if (analysisId) query = query.where('analysisSchedules.analysisId', '=', analysisId)
  if (projectId) query = query.where('analyses.projectId', '=', projectId)
  if (isEnabled !== undefined) query = query.where('analysisSchedules.enabled', '=', isEnabled)
  if (cursor) {
    const [project, name, id] = decodeCursor(cursor)
    query = query.where(({ eb, refTuple, tuple }) =>
      eb(
        refTuple('analyses.projectId', 'analyses.name', 'analysisSchedules.id'),
        '>',
        tuple(project, name, id),
      ),
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

const encodeCursor = ({ projectId, analysisName, id }: Schedule): string =>
  Buffer.from(JSON.stringify([projectId, analysisName, id])).toString('base64url')

function decodeCursor(cursor: string): readonly [string, string, string] {
  try {
    const value = JSON.parse(Buffer.from(cursor, 'base64url').toString()) as unknown
    if (Array.isArray(value) && value.length === 3 && value.every((one) => typeof one === 'string'))
      return value as [string, string, string]
  } catch {
    // Said below: to the caller it is all the same why it cannot be read.
  }
  throw new KilnError('USAGE', 'the cursor is none that a page gave', {
    hint: 'take next_cursor of the page before',
  })
}
