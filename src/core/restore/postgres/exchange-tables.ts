import type { OutsideKey } from './dependents.ts'
import { readLiveTables, triggerStatements } from './live-tables.ts'
import { type RestoreSession, literal, quoted } from './session.ts'
import { exchangedTables, ownViews } from './table-roles.ts'

export interface ExchangeInput {
  /** Whose tables become the live ones. */
  readonly incoming: string
  /** Made; where the live ones go. */
  readonly outgoing: string
  readonly outsideKeys: readonly OutsideKey[]
}

/**
 * Puts the tables of a schema into the place of the live ones, which are kept in another. Part of the
 * caller's transaction: until it commits nothing has happened. Functions find tables by name; triggers,
 * Kiln's views and foreign keys of others know them by what they are, and are made again.
 */
export async function exchangeTables(
  session: RestoreSession,
  { incoming, outgoing, outsideKeys }: ExchangeInput,
): Promise<void> {
  const live = quoted(session.live)
  await lockTables(session)
  const tables = await readLiveTables(session, exchangedTables)
  const views = await takeViews(session)
  await session.query(`create schema if not exists ${quoted(outgoing)}`)
  for (const key of outsideKeys) {
    await session.query(
      `alter table ${quoted(key.schema)}.${quoted(key.table)} drop constraint ${quoted(key.name)}`,
    )
  }
  for (const table of tables) {
    const name = quoted(table.name)
    // Kept rows must not act: the functions behind the triggers would change the live tables.
    for (const trigger of table.triggers) {
      await session.query(`drop trigger ${quoted(trigger.name)} on ${live}.${name}`)
    }
    await session.query(`alter table ${live}.${name} set schema ${quoted(outgoing)}`)
    await session.query(`alter table ${quoted(incoming)}.${name} set schema ${live}`)
  }
  for (const view of views) {
    for (const statement of view) await session.query(statement)
  }
  // Last, so that none of it all has fired one.
  for (const table of tables) {
    for (const statement of triggerStatements(table)) await session.query(statement)
  }
  await addOutsideKeys(session, outsideKeys)
}

/** Nobody reads or writes them from here on; the caller's `lock_timeout` says for how long to wait. */
export async function lockTables(session: RestoreSession): Promise<void> {
  const names = exchangedTables.map((name) => `${quoted(session.live)}.${quoted(name)}`)
  await session.query(`lock table ${names.join(', ')} in access exclusive mode`)
}

/** Fails when rows of others refer to what is not there any more. */
export async function addOutsideKeys(
  session: RestoreSession,
  keys: readonly OutsideKey[],
): Promise<void> {
  for (const { schema, table, name, definition } of keys) {
    await session.query(
      `alter table ${quoted(schema)}.${quoted(table)} add constraint ${quoted(name)} ${definition}`,
    )
  }
}

/** Drops Kiln's views and returns what makes each again, with owner, comment and grants. */
async function takeViews(session: RestoreSession): Promise<readonly (readonly string[])[]> {
  const { rows } = await session.query<{
    name: string
    owner: string
    definition: string
    comment: string | null
    grants: readonly string[]
  }>(
    `select c.relname as name, pg_get_userbyid(c.relowner) as owner,
       pg_get_viewdef(c.oid) as definition, obj_description(c.oid, 'pg_class') as comment,
       coalesce((
         select json_agg(format('grant %s on %I to %s%s', a.privilege_type, c.relname,
           case when a.grantee = 0 then 'public' else quote_ident(pg_get_userbyid(a.grantee)) end,
           case when a.is_grantable then ' with grant option' else '' end))
         from aclexplode(c.relacl) a
         where a.grantee <> c.relowner
       ), '[]') as grants
     from pg_class c
     join pg_namespace n on n.oid = c.relnamespace
     where n.nspname = $1 and c.relname = any ($2) and c.relkind = 'v'
     order by c.relname`,
    [session.live, ownViews],
  )
  for (const { name } of rows) await session.query(`drop view ${quoted(name)}`)
  return rows.map(({ name, owner, definition, comment, grants }) => [
    `create view ${quoted(name)} as ${definition}`,
    `alter view ${quoted(name)} owner to ${quoted(owner)}`,
    ...(comment === null ? [] : [`comment on view ${quoted(name)} is ${literal(comment)}`]),
    ...grants,
  ])
}
