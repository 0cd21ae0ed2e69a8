import type { Context } from '../context.ts'
import { KilnError } from '../errors/index.ts'
import type { Analysis } from './analysis.ts'
import { selectAnalyses } from './select-analyses.ts'

export interface AnalysisFilter {
  readonly projectId?: string | undefined
  readonly isActive?: boolean | undefined
  readonly limit: number
  /** From the page before. */
  readonly cursor?: string | undefined
}

export interface AnalysisPage {
  readonly analyses: readonly Analysis[]
  /** Null on the last page. */
  readonly nextCursor: string | null
}

/**
 * Analyses by project and name, a page at a time. The cursor names the last one seen.
 *
 * @throws KilnError USAGE for a cursor that no page gave.
 */
export async function listAnalyses(
  { database }: Pick<Context, 'database'>,
  filter: AnalysisFilter,
): Promise<AnalysisPage> {
  let query = selectAnalyses(database.queries)
    .orderBy('analyses.projectId')
    .orderBy('analyses.name')
    .limit(filter.limit + 1)
  if (filter.projectId !== undefined)
    query = query.where('analyses.projectId', '=', filter.projectId)
  if (filter.isActive !== undefined) query = query.where('analyses.isActive', '=', filter.isActive)
  if (filter.cursor !== undefined) {
    const { projectId, name } = decodeCursor(filter.cursor)
    query = query.where(({ eb, refTuple, tuple }) =>
      eb(refTuple('analyses.projectId', 'analyses.name'), '>', tuple(projectId, name)),
    )
  }
  const rows = (await query.execute()) as Analysis[]
  const analyses = rows.slice(0, filter.limit)
  const last = analyses.at(-1)
  return { analyses, nextCursor: rows.length > filter.limit && last ? encodeCursor(last) : null }
}

function encodeCursor({ projectId, name }: Pick<Analysis, 'projectId' | 'name'>): string {
  return Buffer.from(JSON.stringify([projectId, name])).toString('base64url')
}

function decodeCursor(cursor: string): { projectId: string; name: string } {
  try {
    const parsed: unknown = JSON.parse(Buffer.from(cursor, 'base64url').toString())
    if (Array.isArray(parsed)) {
      const [projectId, name] = parsed as unknown[]
      if (typeof projectId === 'string' && typeof name === 'string') return { projectId, name }
    }
  } catch {
    // Not JSON: refused below like any other text.
  }
  throw new KilnError('USAGE', 'the cursor is not one that a page gave', {
    hint: 'use next_cursor of the page before, or leave --cursor out',
  })
}
