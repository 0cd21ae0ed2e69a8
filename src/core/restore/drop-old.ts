import type { Context } from '../context.ts'
import { auditRestore, readRestores } from './postgres/restore-record.ts'
import { inTransaction, quoted, withRestoreSession } from './postgres/session.ts'

export interface DroppedOld {
  readonly id: string
  readonly schema: string
  readonly sizeBytes: number
}

/**
 * Drops the tables that restores have kept; after that they cannot be taken back. Safe to repeat:
 * nothing is dropped then.
 */
export async function dropOldTables(
  context: Pick<Context, 'database' | 'signal' | 'operator'>,
  { id, isDryRun }: { readonly id: string | undefined; readonly isDryRun: boolean },
): Promise<readonly DroppedOld[]> {
  return await withRestoreSession(context.database.target, context, async (session) => {
    const restores = await readRestores(session)
    const dropped: DroppedOld[] = []
    for (const restore of restores) {
      if (restore.oldSchema === null || (id !== undefined && restore.id !== id)) continue
      const schema = restore.oldSchema
      const { rows } = await session.query<{ size: number }>(
        `select coalesce(sum(pg_total_relation_size(c.oid)), 0)::bigint as size
         from pg_class c
         join pg_namespace n on n.oid = c.relnamespace
         where n.nspname = $1 and c.relkind = 'r'`,
        [schema],
      )
      if (!isDryRun) {
        await inTransaction(session, async () => {
          await session.query(`drop schema if exists ${quoted(schema)} cascade`)
          await session.query('update analysis_restores set old_schema = null where id = $1', [
            restore.id,
          ])
          await auditRestore(session, context.operator, 'restore.drop_old', restore.id, { schema })
        })
      }
      dropped.push({ id: restore.id, schema, sizeBytes: Number(rows[0]?.size ?? 0) })
    }
    return dropped
  })
}
