import type { BackedUpPostgres } from '../../backup/index.ts'
import { isConnectionLost, isDatabaseError } from '../../database/index.ts'
import { KilnError } from '../../errors/index.ts'
import { type RestoreSession, quoted } from './session.ts'
import { isRestoredTable } from './table-roles.ts'

/** A column that an operator added to a table of Kiln, and that a database has not. */
export interface ExtraColumn {
  readonly table: string
  readonly name: string
  /** In words of SQL that this server knows; nothing of a manifest is put into a statement unseen. */
  readonly type: string
}

/**
 * Columns of a set that the tables lack: an empty database has none of those that operators
 * added, and a backup that could not be restored into one would be none. They hold what they held, without
 * the defaults and rules that were on them.
 *
 * @throws KilnError RESTORE_REFUSED for a column of a type that is not there.
 */
export async function extraColumns(
  session: RestoreSession,
  setId: string,
  { tables }: Pick<BackedUpPostgres, 'tables'>,
  columnsOf: (table: string) => readonly string[],
): Promise<readonly ExtraColumn[]> {
  const extra: ExtraColumn[] = []
  for (const { name: table, columns } of tables) {
    if (!isRestoredTable(table)) continue
    const known = columnsOf(table)
    for (const { name, type } of columns) {
      if (known.includes(name)) continue
      const found = await knownType(session, type)
      if (found === undefined) {
        throw new KilnError(
          'RESTORE_REFUSED',
          `${setId} has a column ${table}.${name} of the type ${type}, which this database has not`,
          { hint: 'make that type first, then try again: nothing was changed' },
        )
      }
      extra.push({ table, name, type: found })
    }
  }
  return extra
}

export async function addColumns(
  session: RestoreSession,
  schema: string,
  columns: readonly ExtraColumn[],
): Promise<void> {
  for (const { table, name, type } of columns) {
    await session.query(
      `alter table ${quoted(schema)}.${quoted(table)} add column if not exists ${quoted(name)} ${type}`,
    )
  }
}

/** `numeric(10,2)`, `timestamp(3) with time zone`: the one part of a type's name that is not in a catalogue. */
const modifier = /\(\d{1,9}(?:,-?\d{1,9})?\)/

async function knownType(session: RestoreSession, type: string): Promise<string | undefined> {
  const plain = type.replace(modifier, '')
  try {
    const { rows } = await session.query<{ name: string | null; wide: string | null }>(
      `select to_regtype($1)::text as name, format_type(to_regtype($1), -1) as wide`,
      [plain],
    )
    const [found] = rows
    // Of another spelling the server's own is taken, which has no limit on its length.
    return (found?.name === plain ? type : found?.wide) ?? undefined
  } catch (error) {
    // What is no name of a type at all.
    if (isDatabaseError(error) && !isConnectionLost(error)) return undefined
    throw error
  }
}
