import { type RestoreSession, quoted } from './session.ts'

/** Something of a table that SQL text can make again. */
export interface Definition {
  readonly name: string
  readonly definition: string
}

export interface Trigger extends Definition {
  /** `O` fires, `D` does not, `A` and `R` as replication has it. */
  readonly enabled: 'O' | 'D' | 'A' | 'R'
}

export interface Grant {
  /** Quoted, or `public`. */
  readonly grantee: string
  readonly privilege: string
  /** Null: of the whole table. */
  readonly column: string | null
  readonly isGrantable: boolean
}

/** A table as it stands, with everything that operators may have added to it. */
export interface LiveTable {
  readonly name: string
  readonly owner: string
  /** Of WITH (…), those of its TOAST table included. */
  readonly options: readonly string[]
  readonly comment: string | null
  readonly columns: readonly {
    readonly name: string
    readonly hasDefault: boolean
    readonly isNullable: boolean
  }[]
  /** Primary keys, unique and exclusion constraints. */
  readonly keys: readonly Definition[]
  readonly foreignKeys: readonly Definition[]
  /** Other than those of keys. */
  readonly indexes: readonly Definition[]
  readonly triggers: readonly Trigger[]
  readonly grants: readonly Grant[]
}

/**
 * Reads the definitions of live tables. They name things without a schema where the search path finds
 * them, so that the same text makes the like in another schema.
 */
export async function readLiveTables(
  session: RestoreSession,
  names: readonly string[],
): Promise<readonly LiveTable[]> {
  const { rows } = await session.query<LiveTable>(
    `select
       c.relname as name,
       pg_get_userbyid(c.relowner) as owner,
       array(
         select unnest(coalesce(c.reloptions, '{}'))
         union all
         select 'toast.' || unnest(coalesce(toast.reloptions, '{}'))
       ) as options,
       obj_description(c.oid, 'pg_class') as comment,
       (
         select json_agg(
           json_build_object('name', attname, 'hasDefault', atthasdef, 'isNullable', not attnotnull)
           order by attnum
         )
         from pg_attribute
         where attrelid = c.oid and attnum > 0 and not attisdropped and attgenerated = ''
       ) as columns,
       ${constraints(`contype in ('p', 'u', 'x')`)} as keys,
       ${constraints(`contype = 'f' and conparentid = 0`)} as "foreignKeys",
       coalesce((
         select json_agg(
           json_build_object('name', ic.relname, 'definition', pg_get_indexdef(i.indexrelid, 0, true))
           order by ic.relname
         )
         from pg_index i
         join pg_class ic on ic.oid = i.indexrelid
         where i.indrelid = c.oid
           -- What is left of a failed CREATE INDEX CONCURRENTLY serves nobody.
           and i.indisvalid
           and not exists (
             select from pg_constraint k
             where k.conindid = i.indexrelid and k.conrelid = c.oid and k.contype in ('p', 'u', 'x')
           )
       ), '[]') as indexes,
       coalesce((
         select json_agg(
           json_build_object(
             'name', tgname,
             'definition', pg_get_triggerdef(t.oid, true),
             'enabled', tgenabled
           )
           order by tgname
         )
         from pg_trigger t
         where tgrelid = c.oid and not tgisinternal
       ), '[]') as triggers,
       coalesce((
         select json_agg(
           json_build_object(
             'grantee', case when grantee = 0 then 'public' else quote_ident(pg_get_userbyid(grantee)) end,
             'privilege', privilege,
             'column', column_name,
             'isGrantable', is_grantable
           )
         )
         from (
           select a.grantee, a.privilege_type as privilege, null as column_name, a.is_grantable
           from aclexplode(coalesce(c.relacl, acldefault('r', c.relowner))) a
           union all
           select a.grantee, a.privilege_type, att.attname, a.is_grantable
           from pg_attribute att
           cross join aclexplode(att.attacl) a
           where att.attrelid = c.oid and att.attnum > 0 and not att.attisdropped
         ) as explicit
       ), '[]') as grants
     from pg_class c
     left join pg_class toast on toast.oid = c.reltoastrelid
     join pg_namespace n on n.oid = c.relnamespace
     where n.nspname = $2
       and c.relkind in ('r', 'p')
       and c.relname = any ($1)`,
    [names, session.live],
  )
  return names.flatMap((name) => rows.find((row) => row.name === name) ?? [])
}

const constraints = (which: string): string => `coalesce((
  select json_agg(
    json_build_object('name', conname, 'definition', pg_get_constraintdef(k.oid, true))
    order by conname
  )
  from pg_constraint k
  where conrelid = c.oid and ${which}
), '[]')`

/** The same triggers as before, in the same state. */
export const triggerStatements = (table: LiveTable): readonly string[] =>
  table.triggers.flatMap(({ name, definition, enabled }) => {
    const state = { O: undefined, D: 'disable', A: 'enable always', R: 'enable replica' }[enabled]
    return state === undefined
      ? [definition]
      : [definition, `alter table ${quoted(table.name)} ${state} trigger ${quoted(name)}`]
  })
