import type { Context } from '../context.ts'
import type { AnalysisReference } from './analysis.ts'
import { getAnalysis } from './get-analysis.ts'
import type { Inspect } from './inspect-script.ts'
import { scriptFilename } from './script-file.ts'
import { type UpdatedAnalysis, updateAnalysis } from './update-analysis.ts'
import { getVersion } from './versions.ts'

export interface RestoreVersionInput {
  readonly reference: AnalysisReference
  readonly versionNumber: number
  /** Undefined: it says which version was restored. */
  readonly changeDescription?: string | undefined
}

/**
 * Makes a new version with the script of an old one; what came between stays. The script is checked
 * as a new one would be: what it declares may be gone by now. Restoring the newest version, or one
 * with the same script, changes nothing; safe to repeat.
 *
 * @throws KilnError ANALYSIS_NOT_FOUND, ANALYSIS_AMBIGUOUS, VERSION_NOT_FOUND, ANALYSIS_INVALID,
 *   DEPENDENCY_MISSING, DEPENDENCY_CYCLE.
 */
export async function restoreVersion(
  context: Pick<Context, 'database' | 'operator'>,
  { reference, versionNumber, changeDescription }: RestoreVersionInput,
  inspect: Inspect,
): Promise<UpdatedAnalysis> {
  const analysis = await getAnalysis(context, reference)
  const old = await getVersion(context, analysis, versionNumber)
  return updateAnalysis(
    context,
    {
      reference: { idOrName: analysis.id },
      file: { content: old.script, filename: scriptFilename(analysis.name, old.language) },
      changeDescription: changeDescription ?? `restored version ${versionNumber}`,
      restoredVersion: versionNumber,
    },
    inspect,
  )
}
