import { type Definition } from './live-tables.ts'
import { type RestoreSession } from './session.ts'
import { exchangedTables, ownViews } from './table-roles.ts'

/** A foreign key of a table that is not Kiln's. */
export interface OutsideKey extends Definition {
  readonly schema: string
  readonly table: string
}

/** What others have hung on the tables. */
export interface Dependents {
  /** What refers to a table itself and not to its name, so that another cannot take its place. */
  readonly bound: readonly string[]
  readonly foreignKeys: readonly OutsideKey[]
  readonly indexes: readonly string[]
  readonly triggers: readonly string[]
  /** `select on analysis_jobs to reporting`. */
  readonly grants: readonly string[]
}

/** Lists what operators have added to the live tables and views of Kiln. */
export async function readDependents(session: RestoreSession): Promise<Dependents> {
  const names = [session.live, exchangedTables, ownViews]
  const list = async (sql: string, values: readonly unknown[] = names): Promise<string[]> => {
    const { rows } = await session.query<{ text: string }>(`${ours} ${sql}`, values)
    return rows.map(({ text }) => text)
  }
  const [foreignKeys, bound, publications, indexes, triggers, grants] = [
    await session.query<OutsideKey>(`${ours} ${foreignKeySql}`, names),
    await list(boundSql),
    await list(publicationSql),
    await list(indexSql),
    await list(triggerSql),
    await list(grantSql),
  ]
  return {
    foreignKeys: foreignKeys.rows,
    bound: [...bound, ...publications],
    indexes,
    triggers,
    grants,
  }
}

const ours = `
  with tables as (
    select c.oid, c.relname, c.reltype, c.relowner, c.relacl, c.relrowsecurity, c.relreplident,
      c.reltablespace, c.relkind
    from pg_class c
    join pg_namespace n on n.oid = c.relnamespace
    where n.nspname = $1 and c.relname = any ($2) and c.relkind in ('r', 'p')
  ),
  views as (
    select c.oid, c.relname, c.relowner, c.relacl
    from pg_class c
    join pg_namespace n on n.oid = c.relnamespace
    where n.nspname = $1 and c.relname = any ($3) and c.relkind = 'v'
  )`

/** What operators have set on parts of a table, and what SQL text of the part does not say. */
const settingSql = `
  select format('tablespace of index %s', c.relname)
  from tables
  join pg_index i on i.indrelid = tables.oid
  join pg_class c on c.oid = i.indexrelid
  where c.reltablespace <> 0
  union
  select format('clustering of table %s', relname)
  from tables
  join pg_index i on i.indrelid = tables.oid
  where i.indisclustered
  union
  select format('statistics of column %s of %s', a.attname, c.relname)
  from tables
  join pg_index i on i.indrelid = tables.oid
  join pg_class c on c.oid in (i.indexrelid, i.indrelid)
  join pg_attribute a on a.attrelid = c.oid
  where a.attnum > 0
    and not a.attisdropped
    and (a.attstattarget >= 0 or a.attoptions is not null)
  union
  select format('comment on %s', pg_describe_object(d.classoid, d.objoid, 0))
  from tables
  join lateral (
    select 'pg_class'::regclass as class, indexrelid as object from pg_index where indrelid = tables.oid
    union all
    select 'pg_constraint'::regclass, oid from pg_constraint where conrelid = tables.oid
    union all
    select 'pg_trigger'::regclass, oid from pg_trigger where tgrelid = tables.oid
  ) part on true
  join pg_description d on d.classoid = part.class and d.objoid = part.object`

/**
 * All that pg_depend knows but what is made again for the table that takes the place: views, functions
 * with a parsed body, columns of a row's type, policies, statistics, children, sequences, publications.
 */
const boundSql = `
  select distinct case
      when d.classid = 'pg_rewrite'::regclass
        then pg_describe_object('pg_class'::regclass, (select ev_class from pg_rewrite where oid = d.objid), 0)
      else pg_describe_object(d.classid, d.objid, d.objsubid)
    end as text
  from pg_depend d
  where d.deptype in ('n', 'a', 'i')
    and (
      (d.refclassid = 'pg_class'::regclass
        and d.refobjid in (select oid from tables union all select oid from views))
      or (d.refclassid = 'pg_type'::regclass
        and d.refobjid in (
          select reltype from tables
          union all
          select typarray from pg_type where oid in (select reltype from tables)
        ))
    )
    and not case d.classid
      when 'pg_class'::regclass then exists (
        select from pg_class c
        where c.oid = d.objid and (c.relkind in ('i', 't') or c.oid in (select oid from tables))
      )
      when 'pg_constraint'::regclass then exists (select from pg_constraint where oid = d.objid and (contype = 'f' or conrelid in (select oid from tables)))
      when 'pg_trigger'::regclass then true
      when 'pg_attrdef'::regclass then true
      -- Publications are listed by what they publish.
      when 'pg_publication_rel'::regclass then true
      when 'pg_type'::regclass then true
      when 'pg_rewrite'::regclass then exists (
        select from pg_rewrite where oid = d.objid and ev_class in (select oid from views)
      )
      else false
    end
  union
  select format('row security of table %s', relname) from tables where relrowsecurity
  union
  select format('replica identity of table %s', relname) from tables where relreplident <> 'd'
  union
  select format('tablespace of table %s', relname) from tables where reltablespace <> 0
  union
  select format('partitions of table %s', relname) from tables where relkind = 'p'
  union
  select format('table %s, whose part is %s', i.inhparent::regclass, relname)
  from tables
  join pg_inherits i on i.inhrelid = tables.oid
  union
  ${settingSql}
  order by 1`

/** Named one by one, by their schema, or with all there are: what is in them is replicated from them. */
const publicationSql = `
  select format('publication %s of %s', pubname, string_agg(tablename, ', ' order by tablename)) as text
  from pg_publication_tables
  where schemaname = $1
    and tablename in (select relname from tables)
    and not exists (select from views where false)
  group by pubname
  order by 1`

const foreignKeySql = `
  select k.conname as name, pg_get_constraintdef(k.oid, true) as definition,
    n.nspname as schema, c.relname as table
  from pg_constraint k
  join pg_class c on c.oid = k.conrelid
  join pg_namespace n on n.oid = c.relnamespace
  where k.contype = 'f'
    and k.conparentid = 0
    and k.confrelid in (select oid from tables)
    and k.conrelid not in (select oid from tables)
    and not exists (select from views where false)
  order by 3, 4, 1`

const indexSql = `
  select format('%s on %s', ic.relname, t.relname) as text
  from tables t
  join pg_index i on i.indrelid = t.oid
  join pg_class ic on ic.oid = i.indexrelid
  where ic.relname not like 'kiln\\_%'
    and not exists (select from pg_constraint where conindid = i.indexrelid)
    and not exists (select from views where false)
  order by 1`

const triggerSql = `
  select format('%s on %s', g.tgname, t.relname) as text
  from tables t
  join pg_trigger g on g.tgrelid = t.oid
  where not g.tgisinternal
    and g.tgname not like 'kiln\\_%'
    and not exists (select from views where false)
  order by 1`

const grantSql = `
  select format('%s on %s to %s', lower(a.privilege_type), r.relname,
      case when a.grantee = 0 then 'public' else pg_get_userbyid(a.grantee)::text end) as text
  from (
    select relname, relowner, relacl from tables
    union all
    select relname, relowner, relacl from views
  ) r
  cross join aclexplode(r.relacl) a
  where a.grantee <> r.relowner
  order by 1`
