import type { OutsideKey } from './dependents.ts'
import { addOutsideKeys, lockTables } from './exchange-tables.ts'
import { type ExtraColumn, addColumns } from './extra-columns.ts'
import { type LiveTable, readLiveTables } from './live-tables.ts'
import { type RestoreSession, quoted } from './session.ts'
import { exchangedTables } from './table-roles.ts'

export interface FillInput {
  /** Whose rows become the live ones. */
  readonly incoming: string
  /** Where the rows of now are kept; undefined: they are not. */
  readonly outgoing: string | undefined
  readonly outsideKeys: readonly OutsideKey[]
  /** Columns of the incoming rows that the live tables get. */
  readonly added?: readonly ExtraColumn[]
}

/**
 * Puts the rows of a schema's tables into the live ones, for those who have views or publications on
 * them. Part of the caller's transaction; slower than an exchange, and nobody reads meanwhile.
 */
export async function fillInPlace(
  session: RestoreSession,
  { incoming, outgoing, outsideKeys, added = [] }: FillInput,
): Promise<void> {
  await lockTables(session)
  const before = await readLiveTables({ ...session, live: incoming }, exchangedTables)
  await addColumns(session, session.live, added)
  const tables = await readLiveTables(session, exchangedTables)
  if (outgoing !== undefined) {
    await keepRows(session, tables, outgoing)
  }
  for (const key of outsideKeys) {
    await session.query(
      `alter table ${quoted(key.schema)}.${quoted(key.table)} drop constraint ${quoted(key.name)}`,
    )
  }
  for (const { name, foreignKeys } of tables) {
    await session.query(`alter table ${quoted(name)} disable trigger user`)
    for (const key of foreignKeys) {
      await session.query(`alter table ${quoted(name)} drop constraint ${quoted(key.name)}`)
    }
  }
  // Only: rows of tables that an operator has hung below one are not in the backup.
  await session.query(`truncate ${tables.map(({ name }) => `only ${quoted(name)}`).join(', ')}`)
  for (const { name, columns } of tables) {
    // Taken back, a restore leaves empty what it had added.
    const coming = before.find((table) => table.name === name)?.columns ?? []
    const list = columns
      .filter((column) => coming.some((other) => other.name === column.name))
      .map((column) => quoted(column.name))
      .join(', ')
    await session.query(
      `insert into ${quoted(name)} (${list}) overriding system value
       select ${list} from ${quoted(incoming)}.${quoted(name)}`,
    )
  }
  for (const { name, foreignKeys, triggers } of tables) {
    for (const key of foreignKeys) {
      await session.query(
        `alter table ${quoted(name)} add constraint ${quoted(key.name)} ${key.definition}`,
      )
    }
    for (const { name: trigger, enabled } of triggers) {
      const state = { O: 'enable', D: 'disable', A: 'enable always', R: 'enable replica' }[enabled]
      await session.query(`alter table ${quoted(name)} ${state} trigger ${quoted(trigger)}`)
    }
  }
  await addOutsideKeys(session, outsideKeys)
}

/**
 * Copies the rows of now. Where all tables are published, subscribers would wait for tables of these names:
 * rows of an unlogged table are not published, nor are they when it becomes a logged one.
 */
async function keepRows(
  session: RestoreSession,
  tables: readonly LiveTable[],
  outgoing: string,
): Promise<void> {
  const { rows } = await session.query<{ published: boolean }>(
    `select exists (select from pg_publication where puballtables) as published`,
  )
  const isPublished = rows[0]?.published ?? false
  await session.query(`create schema if not exists ${quoted(outgoing)}`)
  for (const { name } of tables) {
    const copy = `${quoted(outgoing)}.${quoted(name)}`
    await session.query(
      `create ${isPublished ? 'unlogged' : ''} table ${copy} as
       select * from only ${quoted(session.live)}.${quoted(name)}`,
    )
    if (isPublished) await session.query(`alter table ${copy} set logged`)
  }
}
