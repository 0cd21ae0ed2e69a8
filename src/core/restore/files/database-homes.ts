import { recordAudit } from '../../audit/index.ts'
import type { Context } from '../../context.ts'
import { KilnError } from '../../errors/index.ts'
import { type DatabaseHold, listExecutors } from '../../jobs/index.ts'
import type { DataFolder } from '../../os/index.ts'

/**
 * Where the databases are at home. Those of another folder come to this one, unless somebody runs there
 * and would go on with a file that no longer counts.
 */
export async function readHomes(
  { database }: Context,
  folder: DataFolder,
  databases: readonly { readonly projectId: string }[],
): Promise<ReadonlyMap<string, string | null>> {
  // A set of a time when no project had a database.
  if (databases.length === 0) return new Map()
  const homes = await database.queries
    .selectFrom('projects')
    .select(['id', 'homeFolder'])
    .where(
      'id',
      'in',
      databases.map(({ projectId }) => projectId),
    )
    .execute()
  const executors = await listExecutors(database.queries, { includeStopped: false, limit: 1000 })
  const served = await database.queries
    .selectFrom('analysisExecutors')
    .select(['id', 'dataFolderId'])
    .where('stoppedAt', 'is', null)
    .execute()
  const alive = new Set(executors.filter(({ state }) => state !== 'dead').map(({ id }) => id))
  for (const { id, homeFolder } of homes) {
    if (homeFolder === null || homeFolder === folder.id) continue
    if (served.some((row) => row.dataFolderId === homeFolder && alive.has(row.id))) {
      throw new KilnError(
        'PROJECT_DATABASE_ELSEWHERE',
        `the database of the project "${id}" is in the data folder ${homeFolder}, and an executor of it runs`,
        { hint: 'restore it there, or move the project here first: kiln project move' },
      )
    }
  }
  return new Map(homes.map(({ id, homeFolder }) => [id, homeFolder]))
}

/** The rows and the record, in one transaction; no process has had the databases since the slots. */
export async function takeHome(
  { database, operator }: Context,
  folder: DataFolder,
  holds: readonly DatabaseHold[],
  id: string,
  source: string,
  databases: readonly { readonly projectId: string }[],
): Promise<void> {
  const ids = databases.map(({ projectId }) => projectId)
  await database.queries.transaction().execute(async (transaction) => {
    for (const hold of holds) await hold.confirm(transaction)
    if (ids.length > 0) {
      await transaction
        .updateTable('projects')
        .set({ homeFolder: folder.id })
        .where('id', 'in', ids)
        .execute()
    }
    await recordAudit(transaction, operator, {
      action: 'restore.duckdb',
      targetType: 'data_folder',
      targetId: folder.id,
      details: { restore: id, source, projects: ids },
    })
  })
}
