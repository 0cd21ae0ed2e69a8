import type { Context, Operator } from '../context.ts'
import { type Queries, repeatedTransaction } from '../database/index.ts'
import type { Analysis } from './analysis.ts'
import type { AnalysisDefinition } from './definition.ts'
import { storeDependencies } from './dependencies.ts'
import { storeDeclaredSchedule } from './store-declared-schedule.ts'

export interface VersionDetails {
  readonly definition: AnalysisDefinition
  /** Who made the version. */
  readonly operator: Operator
  readonly changeDescription: string | undefined
}

/** Completes the row of the newest version, which a trigger made with the script alone. */
export async function completeVersion(
  transaction: Queries,
  analysis: Pick<Analysis, 'id' | 'version' | 'projectId' | 'name'>,
  { definition, operator, changeDescription }: VersionDetails,
): Promise<void> {
  await transaction
    .updateTable('analysisVersions')
    .set({
      definition: JSON.stringify(definition),
      definitionError: null,
      createdBy: operator.actor,
      changeDescription: changeDescription ?? null,
    })
    .where('analysisId', '=', analysis.id)
    .where('versionNumber', '=', analysis.version)
    .execute()
  await storeDependencies(
    transaction,
    { analysisId: analysis.id, projectId: analysis.projectId },
    definition.dependencies,
  )
  await storeDeclaredSchedule(transaction, operator, analysis, definition)
}

/**
 * Keeps what the inspection of a stored version found: its definition, or why there is none. For
 * versions that came by SQL. Safe to repeat; a version that is gone is left alone.
 */
export async function storeDefinition(
  { database }: Pick<Context, 'database'>,
  analysisId: string,
  versionNumber: number,
  outcome: { readonly definition: AnalysisDefinition } | { readonly error: string },
): Promise<void> {
  const definition = 'definition' in outcome ? outcome.definition : null
  await repeatedTransaction(database.queries, async (transaction) => {
    await transaction
      .updateTable('analysisVersions')
      .set({
        definition: definition === null ? null : JSON.stringify(definition),
        definitionError: 'error' in outcome ? outcome.error : null,
      })
      .where('analysisId', '=', analysisId)
      .where('versionNumber', '=', versionNumber)
      .execute()
    // The rows tell what the newest version needs; the lock keeps a new version from coming between.
    const analysis = await transaction
      .selectFrom('analyses')
      .select(['id', 'version', 'projectId', 'name'])
      .where('id', '=', analysisId)
      // As an update of the analysis does; and as there, new jobs need not wait.
      .forNoKeyUpdate()
      .executeTakeFirst()
    if (definition === null || analysis?.version !== versionNumber) return
    await storeDependencies(
      transaction,
      { analysisId, projectId: analysis.projectId },
      definition.dependencies,
    )
    await storeDeclaredSchedule(transaction, undefined, analysis, definition)
  })
}
