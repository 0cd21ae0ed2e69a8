import type { Context } from '../context.ts'
import type { Analysis, AnalysisVersion, RunnableAnalysis } from './analysis.ts'
import { getAnalysis } from './get-analysis.ts'
import { scriptFilename } from './script-file.ts'
import { getVersion, toVersion, versionColumns } from './versions.ts'

/**
 * What it takes to run a version of an analysis that a job names, in one statement: this is on the
 * way of every job. An inactive one is returned too: the caller looks at `isActive`.
 *
 * @throws KilnError ANALYSIS_NOT_FOUND, VERSION_NOT_FOUND.
 */
export async function loadRunnable(
  context: Pick<Context, 'database'>,
  analysisId: string,
  versionNumber?: number,
): Promise<RunnableAnalysis> {
  const row = await context.database.queries
    .selectFrom('analyses')
    .innerJoin('analysisVersions', 'analysisVersions.analysisId', 'analyses.id')
    .select(['analyses.id', 'analyses.name', 'analyses.projectId', 'analyses.isActive'])
    .select(versionColumns)
    .where('analyses.id', '=', analysisId)
    .where('analysisVersions.versionNumber', '=', (where) =>
      versionNumber === undefined ? where.ref('analyses.version') : where.val(versionNumber),
    )
    .executeTakeFirst()
  // The longer way says what is missing.
  if (!row) return findRunnable(context, analysisId, { version: versionNumber })
  return toRunnable(row, toVersion(row))
}

/**
 * The same by id or name; the newest version unless told.
 *
 * @throws KilnError ANALYSIS_NOT_FOUND, ANALYSIS_AMBIGUOUS, VERSION_NOT_FOUND.
 */
export async function findRunnable(
  context: Pick<Context, 'database'>,
  idOrName: string,
  options: { readonly projectId?: string | undefined; readonly version?: number | undefined } = {},
): Promise<RunnableAnalysis> {
  const { projectId, version } = options
  const analysis = await getAnalysis(context, { idOrName, projectId })
  return toRunnable(analysis, await getVersion(context, analysis, version))
}

function toRunnable(
  analysis: Pick<Analysis, 'id' | 'name' | 'projectId' | 'isActive'>,
  version: AnalysisVersion,
): RunnableAnalysis {
  const { script, language, versionNumber, definition, definitionError } = version
  return {
    id: analysis.id,
    name: analysis.name,
    projectId: analysis.projectId,
    isActive: analysis.isActive,
    versionNumber,
    script: {
      source: script,
      filename: scriptFilename(analysis.name, language),
      language,
    },
    definition,
    definitionError,
  }
}
