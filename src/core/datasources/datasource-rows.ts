import type { Context } from '../context.ts'
import type { Queries } from '../database/index.ts'
import { didYouMean } from '../units/index.ts'
import { KilnError } from '../errors/index.ts'
import type { Datasource, DatasourceConfig } from './datasource.ts'

const columns = [
  'id',
  'projectId',
  'name',
  'type',
  'config',
  'keyId',
  'createdBy',
  'createdAt',
  'updatedAt',
] as const

/** Datasources of a project, or of all, by project and name. */
export async function listDatasources(
  { database }: Pick<Context, 'database'>,
  filter: { readonly projectId?: string | undefined } = {},
): Promise<readonly Datasource[]> {
  let query = database.queries
    .selectFrom('analysisDatasources')
    .select(columns)
    .orderBy('projectId')
    .orderBy('name')
  if (filter.projectId !== undefined) query = query.where('projectId', '=', filter.projectId)
  return (await query.execute()).map(toDatasource)
}

/**
 * One datasource, without its secret.
 *
 * @throws KilnError DATASOURCE_NOT_FOUND.
 */
export async function getDatasource(
  { database }: Pick<Context, 'database'>,
  projectId: string,
  name: string,
): Promise<Datasource> {
  const row = await database.queries
    .selectFrom('analysisDatasources')
    .select(columns)
    .where('projectId', '=', projectId)
    .where('name', '=', name)
    .executeTakeFirst()
  if (row) return toDatasource(row)
  throw await datasourceNotFound(database.queries, projectId, name)
}

/** With what only `resolveDatasource` may see. */
export async function getDatasourceWithSecret(
  { database }: Pick<Context, 'database'>,
  projectId: string,
  name: string,
): Promise<Datasource & { readonly encryptedSecret: Buffer | null }> {
  const row = await database.queries
    .selectFrom('analysisDatasources')
    .select(columns)
    .select('encryptedSecret')
    .where('projectId', '=', projectId)
    .where('name', '=', name)
    .executeTakeFirst()
  if (row) return { ...toDatasource(row), encryptedSecret: row.encryptedSecret }
  throw await datasourceNotFound(database.queries, projectId, name)
}

export function toDatasource(
  row: Omit<Datasource, 'config'> & { readonly type: string; readonly config: unknown },
): Datasource {
  const { id, projectId, name, type, keyId, createdBy, createdAt, updatedAt } = row
  const config = { ...(row.config as object), type } as DatasourceConfig
  return { id, projectId, name, config, keyId, createdBy, createdAt, updatedAt }
}

export async function datasourceNotFound(
  queries: Queries,
  projectId: string,
  name: string,
): Promise<KilnError> {
  const rows = await queries
    .selectFrom('analysisDatasources')
    .select('name')
    .where('projectId', '=', projectId)
    .execute()
  const meant = didYouMean(
    name,
    rows.map((row) => row.name),
  )
  return new KilnError(
    'DATASOURCE_NOT_FOUND',
    `project "${projectId}" has no datasource "${name}"${meant}`,
    { hint: `run: kiln datasource list --project ${projectId}` },
  )
}
