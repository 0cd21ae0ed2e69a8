import { recordAudit } from '../audit/index.ts'
import type { Context } from '../context.ts'
import { KilnError } from '../errors/index.ts'
import type { Analysis, AnalysisReference } from './analysis.ts'
import { getAnalysis } from './get-analysis.ts'
import { auditState } from './script-file.ts'
import { analysisColumns } from './select-analyses.ts'

/** What became of one analysis that was named, or the reason why nothing did. */
export type SetActiveOutcome =
  | { readonly word: string; readonly analysis: Analysis; readonly hasChanged: boolean }
  | { readonly word: string; readonly error: KilnError }

/**
 * Enables or disables analyses one by one; one that is not there does not keep the others from it.
 * A disabled analysis keeps everything and runs nothing: new jobs are refused, those that are queued
 * fail when their turn comes. Safe to repeat.
 */
export async function setAnalysesActive(
  context: Pick<Context, 'database' | 'operator'>,
  references: readonly AnalysisReference[],
  isActive: boolean,
): Promise<SetActiveOutcome[]> {
  const outcomes: SetActiveOutcome[] = []
  for (const reference of references) {
    const word = reference.idOrName
    try {
      outcomes.push({ word, ...(await setActive(context, reference, isActive)) })
    } catch (error) {
      if (!(error instanceof KilnError)) throw error
      outcomes.push({ word, error })
    }
  }
  return outcomes
}

async function setActive(
  context: Pick<Context, 'database' | 'operator'>,
  reference: AnalysisReference,
  isActive: boolean,
): Promise<{ readonly analysis: Analysis; readonly hasChanged: boolean }> {
  const found = await getAnalysis(context, reference)
  return context.database.queries.transaction().execute(async (transaction) => {
    const changed = (await transaction
      .updateTable('analyses')
      .set({ isActive })
      .where('id', '=', found.id)
      .where('isActive', '<>', isActive)
      .returning(analysisColumns)
      .returning('scriptContent')
      .executeTakeFirst()) as (Analysis & { readonly scriptContent: string }) | undefined
    if (!changed) return { analysis: { ...found, isActive }, hasChanged: false }
    const { scriptContent, ...analysis } = changed
    await recordAudit(transaction, context.operator, {
      action: isActive ? 'analysis.enable' : 'analysis.disable',
      targetType: 'analysis',
      targetId: analysis.id,
      targetName: `${analysis.projectId}/${analysis.name}`,
      before: auditState({ ...analysis, isActive: !isActive }, scriptContent),
      after: auditState(analysis, scriptContent),
    })
    return { analysis, hasChanged: true }
  })
}
