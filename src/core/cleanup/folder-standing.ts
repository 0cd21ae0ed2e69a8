import { sql } from 'kysely'
import type { Queries } from '../database/index.ts'

/** A restore may bring rows back whose files lie there already; as long as that, orphans are kept. */
const keptAfterRestoreDays = 7

/** What the database knows of this data folder. */
export interface FolderStanding {
  /**
   * False when no executor, task, result or project database of this database was ever in the folder: with
   * a wrong DATABASE_URL every file there would look like an orphan.
   */
  readonly isKnown: boolean
  readonly wasRestored: boolean
}

export async function folderStanding(session: Queries, folderId: string): Promise<FolderStanding> {
  const { rows } = await sql<FolderStanding>`
    select
      exists (select from analysis_executors where data_folder_id = ${folderId}::uuid)
        or exists (select from analysis_result_storage where data_folder_id = ${folderId}::uuid)
        or exists (select from projects where home_folder = ${folderId})
        or exists (select from analysis_tasks where data_folder_id = ${folderId}) as is_known,
      exists (
        select
        from analysis_audit_log
        where action like 'restore%'
          and occurred_at > now() - make_interval(days => ${keptAfterRestoreDays}::integer)
      ) or exists (
        select
        from analysis_restores
        where state = 'done'
          and coalesce(finished_at, started_at)
            > now() - make_interval(days => ${keptAfterRestoreDays}::integer)
      ) as was_restored
  `.execute(session)
  return rows[0] ?? { isKnown: false, wasRestored: false }
}
