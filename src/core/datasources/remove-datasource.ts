import { recordAudit } from '../audit/index.ts'
import type { Context } from '../context.ts'
import { KilnError } from '../errors/index.ts'
import { datasourceNotFound } from './datasource-rows.ts'

export interface RemoveDatasourceInput {
  readonly projectId: string
  readonly name: string
  /** Remove it also when analyses declare it. */
  readonly force: boolean
}

/**
 * Removes a datasource and the secret stored with it; the data it names is not touched.
 *
 * @throws KilnError DATASOURCE_NOT_FOUND, DATASOURCE_IN_USE naming the analyses that declare it.
 */
export async function removeDatasource(
  { database, operator }: Pick<Context, 'database' | 'operator'>,
  { projectId, name, force }: RemoveDatasourceInput,
): Promise<void> {
  await database.queries.transaction().execute(async (transaction) => {
    const removed = await transaction
      .deleteFrom('analysisDatasources')
      .where('projectId', '=', projectId)
      .where('name', '=', name)
      .returning(['id', 'type', 'config'])
      .executeTakeFirst()
    if (!removed) throw await datasourceNotFound(transaction, projectId, name)
    const dependents = await transaction
      .selectFrom('analysisDependencies')
      .innerJoin('analyses', 'analyses.id', 'analysisDependencies.analysisId')
      .select('analyses.name')
      .where('analyses.projectId', '=', projectId)
      .where('dependencyType', '=', 'datasource')
      .where('dependencyName', '=', name)
      .orderBy('analyses.name')
      .execute()
    if (dependents.length > 0 && !force) {
      const names = dependents.map((dependent) => dependent.name)
      throw new KilnError(
        'DATASOURCE_IN_USE',
        `analyses declare the datasource "${name}": ${names.join(', ')}`,
        { hint: 'change these analyses first, or add --force', details: { analyses: names } },
      )
    }
    await recordAudit(transaction, operator, {
      action: 'datasource.remove',
      targetType: 'datasource',
      targetId: removed.id,
      targetName: `${projectId}/${name}`,
      before: { ...(removed.config as object), type: removed.type },
      details: { type: removed.type },
    })
  })
}
