import { Readable } from 'node:stream'
import {
  type BackedUpPostgres,
  type BackupSet,
  type TableObject,
  readObject,
} from '../../backup/index.ts'
import { KilnError } from '../../errors/index.ts'
import { extraColumns } from '../postgres/extra-columns.ts'
import type { RestoreSession } from '../postgres/session.ts'
import type { StagingLoader } from '../postgres/staging-loader.ts'
import { isRestoredTable } from '../postgres/table-roles.ts'
import type { TableRows } from '../postgres/table-rows.ts'

/** The tables of a set that a restore fills, with where their rows are. */
export function setTables(set: BackupSet, postgres: BackedUpPostgres): readonly TableRows[] {
  return postgres.tables
    .filter(({ name, isRestored }) => isRestored && isRestoredTable(name))
    .map(({ name, columns, objects }) => ({
      table: name,
      columns: columns.map((column) => column.name),
      format: postgres.rowFormat,
      parts: objects.map((object) => ({
        name: `${set.id}/${object.path}`,
        rows: object.rows,
        open: () => rowsOf(set, object),
      })),
    }))
}

const rowsOf = (set: BackupSet, object: TableObject): Readable =>
  Readable.from(readObject(set, object), { objectMode: false })

/**
 * Loads the rows of a set, with the columns that operators had added to the tables.
 *
 * @throws KilnError RESTORE_REFUSED for a type of a column that is not there; as `loadSetTables`.
 */
export async function loadWithColumns(
  session: RestoreSession,
  loader: StagingLoader,
  set: BackupSet,
  postgres: BackedUpPostgres,
): Promise<void> {
  const columnsOf = (table: string) => loader.columnsOf(table)
  await loader.addColumns(await extraColumns(session, set.id, postgres, columnsOf))
  await loadSetTables(loader, setTables(set, postgres))
}

/**
 * Loads the rows of a set; each file must have as many as the manifest says.
 *
 * @throws KilnError BACKUP_DAMAGED, BACKUP_DATA_INVALID.
 */
async function loadSetTables(
  loader: Pick<StagingLoader, 'loadAll'>,
  tables: readonly TableRows[],
): Promise<void> {
  await loader.loadAll(tables, (_rows, part, count) => {
    if (count === part.rows) return
    throw new KilnError(
      'BACKUP_DAMAGED',
      `${part.name} holds ${count} rows, and its manifest says ${part.rows}`,
      { hint: 'use another set: kiln backup list' },
    )
  })
}
