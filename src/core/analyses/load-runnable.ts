import type { Context } from '../context.ts'
import type { AnalysisReference, RunnableAnalysis } from './analysis.ts'
import { getAnalysis } from './get-analysis.ts'
import { getVersion } from './versions.ts'

/**
 * What it takes to run an analysis; its newest version unless told. An inactive one is returned
 * too, since jobs that are queued already may finish: who starts new ones looks at `isActive`.
 *
 * @throws KilnError ANALYSIS_NOT_FOUND, ANALYSIS_AMBIGUOUS, VERSION_NOT_FOUND.
 */
export async function loadRunnable(
  context: Pick<Context, 'database'>,
  reference: AnalysisReference,
  versionNumber?: number,
): Promise<RunnableAnalysis> {
  const analysis = await getAnalysis(context, reference)
  const version = await getVersion(context, analysis, versionNumber)
  return {
    analysisId: analysis.id,
    name: analysis.name,
    projectId: analysis.projectId,
    isActive: analysis.isActive,
    versionNumber: version.versionNumber,
    script: version.script,
    language: version.language,
    definition: version.definition,
    definitionError: version.definitionError,
  }
}
