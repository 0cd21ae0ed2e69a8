import { recordAudit } from '../audit/index.ts'
import type { Context } from '../context.ts'
import { type Queries, repeatedTransaction } from '../database/index.ts'
import { KilnError } from '../errors/index.ts'
import type { Analysis, AnalysisReference } from './analysis.ts'
import { requireTitle } from './create-analysis.ts'
import type { AnalysisDefinition } from './definition.ts'
import { requireDependencies } from './dependencies.ts'
import { getAnalysis } from './get-analysis.ts'
import type { Inspect } from './inspect-script.ts'
import { isRecord } from './json-value.ts'
import { requireValidScript } from './require-valid-script.ts'
import { completeVersion } from './save-definition.ts'
import { type ScriptFile, auditState, fileMetadata, scriptOf } from './script-file.ts'
import { analysisColumns } from './select-analyses.ts'
import { storedDefinition } from './versions.ts'

export interface UpdateAnalysisInput {
  readonly reference: AnalysisReference
  readonly file: ScriptFile
  readonly title?: string | undefined
  readonly changeDescription?: string | undefined
  /** The script is that of this version, which the audit log tells as a restore. */
  readonly restoredVersion?: number
}

export interface UpdatedAnalysis {
  readonly analysis: Analysis
  readonly definition: AnalysisDefinition
  /** False when the script is the one that was there. */
  readonly isNewVersion: boolean
}

/**
 * Gives an analysis another script, which makes a version. The title follows the declared one as
 * long as it was that before. The same script again changes nothing; safe to repeat.
 *
 * @throws KilnError ANALYSIS_NOT_FOUND, ANALYSIS_AMBIGUOUS, ANALYSIS_INVALID, DEPENDENCY_MISSING,
 *   DEPENDENCY_CYCLE, USAGE for an impossible title.
 */
export async function updateAnalysis(
  context: Pick<Context, 'database' | 'operator'>,
  input: UpdateAnalysisInput,
  inspect: Inspect,
): Promise<UpdatedAnalysis> {
  const { file } = input
  const { database, operator } = context
  if (input.title !== undefined) requireTitle(input.title)
  const { id } = await getAnalysis(context, input.reference)
  const definition = await requireValidScript(scriptOf(file), inspect)

  return repeatedTransaction(database.queries, async (transaction) => {
    const before = await lockAnalysis(transaction, id)
    const title = input.title ?? titleAfter(before, definition)
    const metadata = {
      ...(isRecord(before.metadata) ? before.metadata : {}),
      ...fileMetadata(file, definition.language),
    }
    const isSameScript = before.scriptContent === file.content
    if (isSameScript && title === before.title) {
      return { analysis: before, definition, isNewVersion: false }
    }
    const analysis = (await transaction
      .updateTable('analyses')
      .set({ scriptContent: file.content, title, metadata: JSON.stringify(metadata) })
      .where('id', '=', id)
      .returning(analysisColumns)
      .executeTakeFirstOrThrow()) as Analysis
    if (!isSameScript) {
      const dependent = { analysisId: id, name: analysis.name, projectId: analysis.projectId }
      await requireDependencies(transaction, dependent, definition.dependencies)
      await completeVersion(transaction, analysis, {
        definition,
        operator,
        changeDescription: input.changeDescription,
      })
    }
    await recordAudit(transaction, operator, {
      action: input.restoredVersion === undefined ? 'analysis.update' : 'analysis.restore',
      targetType: 'analysis',
      targetId: id,
      targetName: `${analysis.projectId}/${analysis.name}`,
      before: auditState(before, before.scriptContent),
      after: auditState(analysis, file.content),
      details: {
        version: analysis.version,
        ...(input.restoredVersion === undefined ? {} : { restored: input.restoredVersion }),
      },
    })
    return { analysis, definition, isNewVersion: !isSameScript }
  })
}

interface LockedAnalysis extends Analysis {
  readonly scriptContent: string
  readonly declaredTitle: string | undefined
}

/**
 * Two updates of one analysis come one after the other. The version is read by a statement of its
 * own: one that had waited for the lock would not see the version that was made meanwhile.
 */
async function lockAnalysis(transaction: Queries, id: string): Promise<LockedAnalysis> {
  const analysis = (await transaction
    .selectFrom('analyses')
    .select(analysisColumns)
    .select('scriptContent')
    .where('id', '=', id)
    // Not for update: firing, which holds the script's schedule, would wait for it to add its job.
    .forNoKeyUpdate()
    .executeTakeFirst()) as (Analysis & { readonly scriptContent: string }) | undefined
  if (!analysis) {
    throw new KilnError('ANALYSIS_NOT_FOUND', 'the analysis was deleted meanwhile', {
      hint: 'create it anew: kiln analysis create FILE',
    })
  }
  const version = await transaction
    .selectFrom('analysisVersions')
    .select('definition')
    .where('analysisId', '=', id)
    .where('versionNumber', '=', analysis.version)
    .executeTakeFirst()
  return { ...analysis, declaredTitle: storedDefinition(version?.definition)?.title }
}

function titleAfter(before: LockedAnalysis, definition: AnalysisDefinition): string {
  const followsScript = before.title === before.declaredTitle
  return followsScript && definition.title !== undefined ? definition.title : before.title
}
