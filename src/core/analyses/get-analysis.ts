import type { Context } from '../context.ts'
import { KilnError } from '../errors/index.ts'
import type { Analysis, AnalysisReference } from './analysis.ts'
import { nearNames } from '../units/index.ts'
import { selectAnalyses } from './select-analyses.ts'

const uuid = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i

/**
 * Finds an analysis by id, or by name in one project or in all.
 *
 * @throws KilnError ANALYSIS_NOT_FOUND, with names that are close, and ANALYSIS_AMBIGUOUS when
 *   several projects have the name and none is given.
 */
export async function getAnalysis(
  { database }: Pick<Context, 'database'>,
  { idOrName, projectId }: AnalysisReference,
): Promise<Analysis> {
  let query = selectAnalyses(database.queries).orderBy('analyses.projectId')
  query = isAnalysisId(idOrName)
    ? query.where('analyses.id', '=', idOrName)
    : query.where('analyses.name', '=', idOrName)
  if (projectId !== undefined) query = query.where('analyses.projectId', '=', projectId)
  const [analysis, ...others] = (await query.execute()) as Analysis[]
  if (!analysis) throw await analysisNotFound({ database }, { idOrName, projectId })
  if (others.length === 0) return analysis
  const projects = [analysis, ...others].map((one) => one.projectId)
  throw new KilnError(
    'ANALYSIS_AMBIGUOUS',
    `several projects have an analysis "${idOrName}": ${projects.join(', ')}`,
    { hint: `say which: --project ${analysis.projectId}`, details: { projects } },
  )
}

export const isAnalysisId = (text: string): boolean => uuid.test(text)

async function analysisNotFound(
  { database }: Pick<Context, 'database'>,
  { idOrName, projectId }: { idOrName: string; projectId: string | undefined },
): Promise<KilnError> {
  let query = database.queries.selectFrom('analyses').select('name').distinct().limit(5000)
  if (projectId !== undefined) query = query.where('projectId', '=', projectId)
  const near = nearNames(
    idOrName,
    (await query.execute()).map(({ name }) => name),
  )
  const where = projectId === undefined ? '' : ` in project "${projectId}"`
  return new KilnError('ANALYSIS_NOT_FOUND', `there is no analysis "${idOrName}"${where}`, {
    hint: near.length > 0 ? `did you mean ${near.join(' or ')}?` : 'run: kiln analysis list',
    ...(near.length > 0 ? { details: { suggestions: near } } : {}),
  })
}
