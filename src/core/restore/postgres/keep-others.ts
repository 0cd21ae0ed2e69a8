import { type RestoreSession, quoted } from './session.ts'
import { restoredTables } from './table-roles.ts'

export interface KeptTable {
  readonly name: string
  readonly rows: number
  /** Live rows that refer to what is not there any more. */
  readonly droppedRows: number
}

interface Reference {
  readonly table: string
  readonly column: string
  readonly parent: string
  readonly parentColumn: string
  /** `n`: the reference is cleared; else the row goes. */
  readonly onDelete: string
}

/**
 * A dump need not have all tables. Those that it lacks keep their live rows, as far as what these refer
 * to is still there.
 */
export async function keepOthers(
  session: RestoreSession,
  schema: string,
  loaded: ReadonlySet<string>,
): Promise<readonly KeptTable[]> {
  const others = restoredTables.filter((name) => !loaded.has(name))
  const counts = new Map<string, { copied: number; dropped: number }>()
  for (const name of others) {
    const { rowCount } = await session.query(
      `insert into ${quoted(schema)}.${quoted(name)} select * from ${quoted(session.live)}.${quoted(name)}`,
    )
    counts.set(name, { copied: rowCount ?? 0, dropped: 0 })
  }
  const references = (await readReferences(session)).filter(({ table }) => counts.has(table))
  // A table may refer to itself, and comes after those it refers to otherwise.
  for (let changed = 1; changed > 0;) {
    changed = 0
    for (const reference of references) {
      const orphans = await dropOrphans(session, schema, reference)
      const count = counts.get(reference.table)
      if (count && reference.onDelete !== 'n') count.dropped += orphans
      changed += orphans
    }
  }
  return [...counts].map(([name, { copied, dropped }]) => ({
    name,
    rows: copied - dropped,
    droppedRows: dropped,
  }))
}

async function dropOrphans(
  session: RestoreSession,
  schema: string,
  { table, column, parent, parentColumn, onDelete }: Reference,
): Promise<number> {
  const child = `${quoted(schema)}.${quoted(table)}`
  const orphan = `child.${quoted(column)} is not null and not exists (
    select from ${quoted(schema)}.${quoted(parent)} parent
    where parent.${quoted(parentColumn)} = child.${quoted(column)}
  )`
  // A project is made when something names it.
  if (parent === 'projects') return 0
  const { rowCount } = await session.query(
    onDelete === 'n'
      ? `update ${child} child set ${quoted(column)} = null where ${orphan}`
      : `delete from ${child} child where ${orphan}`,
  )
  return rowCount ?? 0
}

async function readReferences(session: RestoreSession): Promise<readonly Reference[]> {
  const { rows } = await session.query<Reference>(
    `select c.relname as table, a.attname as column, p.relname as parent, pa.attname as "parentColumn",
       k.confdeltype as "onDelete"
     from pg_constraint k
     join pg_class c on c.oid = k.conrelid
     join pg_namespace n on n.oid = c.relnamespace
     join pg_class p on p.oid = k.confrelid
     join pg_attribute a on a.attrelid = c.oid and a.attnum = k.conkey[1]
     join pg_attribute pa on pa.attrelid = p.oid and pa.attnum = k.confkey[1]
     where k.contype = 'f'
       and n.nspname = $1
       and c.relname = any ($2)
       and p.relname = any ($2)
       and cardinality(k.conkey) = 1
     order by array_position($2::text[], c.relname::text)`,
    [session.live, restoredTables],
  )
  return rows
}
